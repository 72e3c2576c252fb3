"""A plugin that lives outside of the repository: found, used, broken, blocked, too new for the core, and removed.

In a folder of its own beside this checkout; and, with `pytest -m soak tests/test_outside_plugin.py`, as a wheel in a new
environment beside the core's wheel, where it is also trained with, tested by its own tests and type-checked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


class Folder:
    """Both plugins as files in a folder on Python's path, with the metadata that an installation would leave."""

    def __init__(self, folder: Path) -> None:
        self.home, self.packages, self.kept = folder, folder / "packages", folder / "kept"
        for package in (OUTSIDE, OTHER):
            write(package, folder / package.name)
            shutil.copytree(folder / package.name / "src", self.packages, dirs_exist_ok=True)
            info = self.packages / f"{package.module}-0.1.0.dist-info"
            info.mkdir()
            needs = package.files["pyproject.toml"].partition('dependencies = ["')[2].partition('"]')[0]
            head = f"Metadata-Version: 2.1\nName: {package.distribution}\nVersion: 0.1.0\nRequires-Dist: {needs}\n"
            (info / "METADATA").write_text(head, "utf-8")
            entry = f"[toonforge]\n{package.name} = {package.module}.plugin\n"
            (info / "entry_points.txt").write_text(entry, "utf-8")

    def run(self, *words: str, code: int = 0, **variables: str) -> str:
        environment = {**os.environ, "PYTHONPATH": f"{self.packages}{os.pathsep}{ROOT}", "COLUMNS": "300", **variables}
        environment.pop("TOONFORGE_PLUGINS", None) if "TOONFORGE_PLUGINS" not in variables else None
        done = subprocess.run(words, cwd=self.home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def told(self, *lines: str, code: int = 0, **variables: str) -> str:
        """What several command lines print, one after the other in one process; the last one ends with `code`."""
        source = f"import sys; from toonforge.cli import main; codes = [main(line.split()) for line in {lines!r}]\n"
        source += "sys.exit(codes[-1] if not any(codes[:-1]) else 99)"
        return self.run(sys.executable, "-c", source, code=code, **variables)

    def python(self, source: str) -> str:
        return self.run(sys.executable, "-c", source)

    def remove(self) -> None:
        for path in [*self.packages.glob("toonforge_outside*")]:
            shutil.rmtree(path)


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


Installed = Folder | Wheels


@pytest.fixture(scope="module", params=["folder", pytest.param("wheels", marks=pytest.mark.soak)])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp(request.param)
    made = Folder(folder) if request.param == "folder" else Wheels(folder)
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


def test_it_is_found_where_it_was_installed(installed: Installed) -> None:
    told = installed.told("plugins", "--help")
    assert status(told, "outside") == status(told, "beside") == "good"
    assert "Tell the mean colour" in told
    where = installed.python("import toonforge_outside; print(toonforge_outside.__file__)").strip()
    assert Path(where).is_relative_to(installed.packages) and not Path(where).is_relative_to(ROOT)


def test_recipes_the_command_line_and_python_use_it(installed: Installed) -> None:
    told = installed.told("check mine.toml outside/first", "show outside/charbonnier", "outside nothing.png", code=2)
    assert "nothing.png" in told and "Traceback" not in told
    code = """if True:
        import sys, toonforge
        recipe = toonforge.load_recipe("mine.toml")
        assert type(recipe.phases["generator"].losses["soft"].loss) is toonforge.losses["outside/charbonnier"]
        assert "torch" not in sys.modules
        print(toonforge.losses.provenance("outside/charbonnier"))"""
    assert installed.python(code) == "toonforge-outside 0.1.0\n"


def test_broken_on_purpose_it_is_reported_and_others_live(installed: Installed) -> None:
    with changed(installed.packages / "toonforge_outside" / "losses.py", "import no_such_package\n"):
        told = installed.told("plugins", "check beside/first", "check mine.toml", code=2)
    assert status(told, "outside") == "broken" and status(told, "beside") == "good"
    assert told.count("No module named 'no_such_package'") >= 2
    assert "plugin 'outside' (toonforge-outside 0.1.0) is broken" in told
    installed.told("check mine.toml")


@pytest.mark.parametrize("how", ["-p", "TOONFORGE_PLUGINS"])
def test_blocked_it_is_not_imported(installed: Installed, how: str) -> None:
    words, variables = ("-p no:outside ", {}) if how == "-p" else ("", {"TOONFORGE_PLUGINS": "beside"})
    with changed(installed.packages / "toonforge_outside" / "plugin.py", "raise SystemExit('imported')\n"):
        told = installed.told(f"{words}plugins", f"{words}check mine.toml", code=2, **variables)
    assert status(told, "outside") == "blocked" and status(told, "beside") == "good"
    assert "plugin 'outside' (toonforge-outside 0.1.0) is blocked" in told


def test_written_for_another_core_it_is_a_misfit_that_is_not_imported(installed: Installed) -> None:
    (metadata,) = installed.packages.glob("toonforge_outside-*.dist-info/METADATA")
    later = metadata.read_text("utf-8").replace("Requires-Dist: toonforge", "Requires-Dist: toonforge>=9\nX-Was: ")
    with (
        changed(metadata, later),
        changed(installed.packages / "toonforge_outside" / "plugin.py", "raise SystemExit('imported')\n"),
    ):
        told = installed.told("plugins", "check mine.toml", code=2)
    assert status(told, "outside") == "misfit" and status(told, "beside") == "good"
    assert told.count("it needs toonforge >=9") == 2


def test_removed_the_recipe_says_what_is_missing(installed: Installed) -> None:
    """The last one of the plugin's life: nothing after it finds the plugin."""
    installed.remove()
    told = installed.told("plugins", "check mine.toml", code=2)
    assert status(told, "beside") == "good" and "toonforge-outside 0.1.0" not in told and "Traceback" not in told
    assert '"outside/first"' in told and "its package is usually called toonforge-outside" in told


@pytest.mark.soak
def test_a_new_plugin_passes_its_tests_and_checks_and_trains(tmp_path: Path) -> None:
    """pytest -m soak tests/test_outside_plugin.py -k passes"""
    environment = Wheels(tmp_path)
    project = environment.home / "outside"
    environment.home = project
    environment.run("pytest", "-q", "-p", "no:cacheprovider")
    environment.run("mypy")
    told = environment.toonforge("run", "outside/first", "--cpu")
    assert "finished after step 40 of 40" in told
    assert (project / "runs/outside_first/summary.txt").read_text("utf-8").startswith("outside_first: 40 steps")
    environment.uninstall("toonforge-outside")
    environment.run("pip", "install", "--no-deps", "--quiet", "--editable", ".")
    told = environment.toonforge("run", "outside/first", "--cpu", "--out", "runs/editable", "--set", "train.steps=2")
    assert "finished after step 2 of 2" in told
    code = """if True:
        import toonforge, torch
        soft = toonforge.losses["outside/charbonnier"](input=toonforge.Expr.parse("a"), target=toonforge.Expr.parse("b"))
        print(round(float(soft.build()(input=torch.ones(2), target=torch.zeros(2))), 3))
        print(toonforge.run(toonforge.load_recipe("outside/first", ["train.steps=2"]), "runs/python").reason)"""
    assert environment.python(code).split()[0] == "1.0" and "done" in environment.python(
        code.replace("runs/python", "runs/2")
    )
