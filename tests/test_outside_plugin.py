"""A plugin that lives outside of the repository, as a wheel in a new environment beside the core's wheel.

It is found, passes its own tests and checks, is used and trained with, broken, blocked, too new for the core, removed, and
installed again as editable.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.new_environment import ROOT, Environment
from toonforge import __version__
from toonforge.scaffold import KINDS, Package, write

OUTSIDE = Package(name="outside", kinds=KINDS, version=__version__)
OTHER = Package(name="beside", kinds=["op"], version=__version__)
RECIPE = """
extends = "outside/first"
name = "mine"
[phases.generator.losses.soft]
type = "outside/charbonnier"
input = "G(outside/contrast(anime, 1.2))"
target = "anime"
"""


class Wheels(Environment):
    """Both plugins as wheels in a new environment, beside the core's wheel."""

    def __init__(self, folder: Path) -> None:
        (folder / "home").mkdir()
        super().__init__(folder / "venv", folder / "home")
        self.install(self.wheel(ROOT, folder / "core"))
        for package in (OUTSIDE, OTHER):
            write(package, self.home / package.name)
            self.install(self.wheel(self.home / package.name, folder / f"{package.name}-wheel"))

    def told(self, *lines: str, code: int = 0, **variables: str) -> str:
        """As a user types them, each in a process of its own."""
        *first, last = (line.split() for line in lines)
        shown = [self.toonforge(*words, COLUMNS="300", **variables) for words in first]
        return "".join([*shown, self.toonforge(*last, code=code, COLUMNS="300", **variables)])

    def remove(self) -> None:
        self.uninstall("toonforge-outside")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    made = Wheels(tmp_path_factory.mktemp("wheels"))
    (made.home / "mine.toml").write_text(RECIPE, "utf-8")
    return made


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """A file with another text, for as long as this lasts. Python must not take its old bytecode for the new one's."""
    before = path.read_bytes()
    path.write_text(text, "utf-8")
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    try:
        yield
    finally:
        path.write_bytes(before)
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)


def status(told: str, name: str) -> str:
    """The line of `toonforge plugins` on a plugin."""
    (line,) = [line for line in told.splitlines() if f"  {name}  toonforge-{name} 0.1.0  " in line]
    return line.split()[0]


def test_it_is_found_where_it_was_installed(installed: Wheels) -> None:
    told = installed.told("plugins", "--help")
    assert status(told, "outside") == status(told, "beside") == "good"
    assert "Tell the mean colour" in told
    where = installed.python("import toonforge_outside; print(toonforge_outside.__file__)").strip()
    assert Path(where).is_relative_to(installed.packages) and not Path(where).is_relative_to(ROOT)


def test_recipes_the_command_line_and_python_use_it(installed: Wheels) -> None:
    told = installed.told("check mine.toml outside/first", "show outside/charbonnier", "outside nothing.png", code=2)
    assert "nothing.png" in told and "Traceback" not in told
    code = """if True:
        import sys, toonforge
        recipe = toonforge.load_recipe("mine.toml")
        assert type(recipe.phases["generator"].losses["soft"].loss) is toonforge.losses["outside/charbonnier"]
        assert "torch" not in sys.modules
        print(toonforge.losses.provenance("outside/charbonnier"))"""
    assert installed.python(code) == "toonforge-outside 0.1.0\n"


def test_it_passes_its_tests_and_checks_and_trains(installed: Wheels) -> None:
    home, installed.home = installed.home, installed.home / "outside"
    installed.run("pytest", "-q", "-p", "no:cacheprovider")
    installed.run("mypy")
    assert "finished after step 40 of 40" in installed.toonforge("run", "outside/first", "--cpu")
    summary = installed.home / "runs" / "outside_first" / "summary.txt"
    assert summary.read_text("utf-8").startswith("outside_first: 40 steps")
    installed.home = home
    code = """if True:
        import toonforge, torch
        soft = toonforge.losses["outside/charbonnier"](input=toonforge.Expr.parse("a"), target=toonforge.Expr.parse("b"))
        print(round(float(soft.build()(input=torch.ones(2), target=torch.zeros(2))), 3))
        print(toonforge.run(toonforge.load_recipe("outside/first", ["train.steps=2"]), "runs/python").reason)"""
    told = installed.python(code).split()
    assert told[0] == "1.0" and "done" in told


def test_broken_on_purpose_it_is_reported_and_others_live(installed: Wheels) -> None:
    with changed(installed.packages / "toonforge_outside" / "losses.py", "import no_such_package\n"):
        told = installed.told("plugins", "check beside/first", "check mine.toml", code=2)
    assert status(told, "outside") == "broken" and status(told, "beside") == "good"
    assert told.count("No module named 'no_such_package'") >= 2
    assert "plugin 'outside' (toonforge-outside 0.1.0) is broken" in told
    installed.told("check mine.toml")


@pytest.mark.parametrize("how", ["-p", "TOONFORGE_PLUGINS"])
def test_blocked_it_is_not_imported(installed: Wheels, how: str) -> None:
    words, variables = ("-p no:outside ", {}) if how == "-p" else ("", {"TOONFORGE_PLUGINS": "beside"})
    with changed(installed.packages / "toonforge_outside" / "plugin.py", "raise SystemExit('imported')\n"):
        told = installed.told(f"{words}plugins", f"{words}check mine.toml", code=2, **variables)
    assert status(told, "outside") == "blocked" and status(told, "beside") == "good"
    assert "plugin 'outside' (toonforge-outside 0.1.0) is blocked" in told


def test_written_for_another_core_it_is_a_misfit_that_is_not_imported(installed: Wheels) -> None:
    (metadata,) = installed.packages.glob("toonforge_outside-*.dist-info/METADATA")
    later = metadata.read_text("utf-8").replace("Requires-Dist: toonforge", "Requires-Dist: toonforge>=9\nX-Was: ")
    with (
        changed(metadata, later),
        changed(installed.packages / "toonforge_outside" / "plugin.py", "raise SystemExit('imported')\n"),
    ):
        told = installed.told("plugins", "check mine.toml", code=2)
    assert status(told, "outside") == "misfit" and status(told, "beside") == "good"
    assert told.count("it needs toonforge >=9") == 2


def test_removed_the_recipe_says_what_is_missing(installed: Wheels) -> None:
    """The last one of the plugin's life: nothing after it finds the plugin."""
    installed.remove()
    told = installed.told("plugins", "check mine.toml", code=2)
    assert status(told, "beside") == "good" and "toonforge-outside 0.1.0" not in told and "Traceback" not in told
    assert '"outside/first"' in told and "its package is usually called toonforge-outside" in told


def test_installed_from_its_folder_it_trains_again(installed: Wheels) -> None:
    installed.run("pip", "install", "--no-deps", "--quiet", "--editable", "outside")
    told = installed.toonforge("run", "outside/first", "--cpu", "--out", "runs/editable", "--set", "train.steps=2")
    assert "finished after step 2 of 2" in told
