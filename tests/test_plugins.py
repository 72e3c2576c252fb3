"""The plugin loader: one bad plugin is reported and never breaks the rest."""

from __future__ import annotations

import importlib.metadata
import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from toonforge.errors import UnknownNameError
from toonforge.plugins.loader import PluginRecord, Plugins, unknown_plugins

COUNTER = itertools.count()

GOOD = '''
from pathlib import Path
from toonforge.components import Generator, Loss, component, param
from toonforge.plugins.hookspecs import hookimpl

@component
class Net(Generator):
    """A generator."""
    width: int = param(4, doc="width")

@hookimpl
def toonforge_generators():
    return {"net": Net, "net-two": Net}

@hookimpl
def toonforge_recipes():
    return {"first_recipe": Path(__file__)}
'''

COMMANDS = """
import click
from toonforge.plugins.hookspecs import hookimpl

@hookimpl
def toonforge_commands():
    return {"go": click.Command("go"), "run": click.Command("run")}
"""


class Site:
    """A folder of fake installed distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = next(COUNTER)

    def install(
        self,
        distribution: str,
        code: str,
        entry: str = "",
        version: str = "1.0",
        attribute: str = "",
        requires: Sequence[str] = (),
    ) -> None:
        """One distribution with one module and one entry point of the group `toonforge`."""
        module = f"fake_{self.number}_{distribution.replace('-', '_')}"
        (self.folder / f"{module}.py").write_text(code, encoding="utf-8")
        target = f"{module}:{attribute}" if attribute else module
        self.metadata(distribution, f"[toonforge]\n{entry or distribution} = {target}\n", version, requires)

    def metadata(
        self, distribution: str, entry_points: str, version: str = "1.0", requires: Sequence[str] = ()
    ) -> None:
        """One distribution's `*.dist-info`."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {each}" for each in requires), ""]))
        (info / "entry_points.txt").write_text(entry_points)

    def load(self, **options: object) -> Plugins:
        """Plugins of this folder alone."""
        found = importlib.metadata.distributions(path=[str(self.folder)])
        plugins = Plugins(distributions=list(found), **options)  # type: ignore[arg-type]
        plugins.load()
        return plugins


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("TOONFORGE_PLUGINS", raising=False)
    return Site(tmp_path)


def record(plugins: Plugins, name: str) -> PluginRecord:
    (found,) = [record for record in plugins.records if record.name == name]
    return found


def test_a_good_plugin_supplies_its_names_under_its_namespace(site: Site) -> None:
    site.install("good-one", GOOD, entry="good", version="2.5")
    plugins = site.load()
    found = record(plugins, "good")
    assert found.status == "good" and found.problem is None
    assert found.supplies == {"generators": ("good/net", "good/net-two"), "recipes": ("good/first_recipe",)}
    generators = plugins.registries["generators"]
    assert generators["good/net"](width=3).width == 3
    assert str(generators.provenance("good/net")) == "good-one 2.5"
    assert generators.match("good/*") == ["good/net", "good/net-two"]
    assert list(plugins.recipes) == ["good/first_recipe"]


def test_the_core_is_a_plugin_with_bare_names(site: Site) -> None:
    plugins = site.load()
    assert record(plugins, "toonforge").status == "good"
    assert "adam" in plugins.registries["optimizers"]
    assert str(plugins.registries["optimizers"].provenance("adam")).startswith("toonforge ")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("from toonforge.components import Nothing", "ImportError"),
        ("def f(:\n", "_broken_dist.py:1)"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("\nraise ValueError", "_broken_dist.py:2)"),
        (GOOD.replace('doc="width"', ""), "_broken_dist.py:9)"),
        (GOOD.replace("width: int", "width"), "Net.width has no type: write width: int = param(...), or whatever"),
        (GOOD.replace("width: int = param(4, ", "width = param("), "Net.width has no type: write width: TYPE = param(...), with"),
        (GOOD.replace("width: int = param(4", "width = param(0.5"), "Net.width has no type: write width: float = param(...)"),
        (GOOD.replace('return {"net": Net, "net-two": Net}', "return [Net]"), "returned list, expected a mapping"),
        (GOOD.replace('{"net": Net, "net-two": Net}', '{"net": 3}'), "generator 'x/net' is no @component class"),
        (GOOD.replace('{"net": Net, "net-two": Net}', '{"net": Loss}'), "derived from Generator"),
        (GOOD.replace('"net": Net', '"ns/net": Net'), "no namespace"),
        (GOOD.replace('"net": Net', '"Net": Net'), "use lower-case letters"),
        (GOOD.replace('"net": Net', "3: Net"), "use lower-case letters"),
        (GOOD.replace("Path(__file__)", "3"), "recipe 'x/first_recipe' is int, expected a path"),
        (GOOD.replace("Path(__file__)", "'a.toml'"), "recipe 'x/first_recipe' is 'a.toml', expected Path(__file__)"),
        (GOOD.replace("__file__", "__file__, 'a.toml'"), "a.toml, and there is no such file"),
        (GOOD.replace("toonforge_recipes", "toonforge_commands"), "Path, expected a click command"),
        (GOOD.replace("toonforge_recipes", "toonforge_recipe"), "there is no hook 'toonforge_recipe'; did you mean 'toonforge_recipes'"),
        (GOOD.replace("def toonforge_recipes():", "def toonforge_recipes(wrong):"), "wrong"),
        (GOOD.replace('return {"net": Net, "net-two": Net}', "return 1 / 0"), "ZeroDivisionError"),
        (GOOD.replace('width: int = param(4, doc="width")', 'type: int = param(4, doc="width")'), "has a field 'type'"),
        (GOOD.replace("width: int", "width: Missing").replace("from pathlib", "from __future__ import annotations\nfrom pathlib"),
         "NameError"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_reported_and_the_rest_is_there(site: Site, code: str, problem: str) -> None:
    site.install("broken-dist", code, entry="x", version="0.3")
    site.install("good-one", GOOD, entry="zgood")
    plugins = site.load()
    found = record(plugins, "x")
    assert found.status == "broken" and problem in str(found.problem) and "\n" not in str(found.problem)
    assert "Traceback" in str(found.detail)
    assert list(plugins.registries["generators"]) == ["zgood/net", "zgood/net-two"]
    with pytest.raises(UnknownNameError) as caught:
        plugins.registries["generators"]["x/net"]
    assert "plugin 'x' (broken-dist 0.3) is broken" in str(caught.value) and problem[:10] in str(caught.value)


def test_an_entry_point_at_nothing_is_broken(site: Site) -> None:
    site.install("a", GOOD, attribute="missing")
    site.install("b", "nothing = None", attribute="nothing")
    plugins = site.load()
    assert "AttributeError" in str(record(plugins, "a").problem)
    assert "is None, expected a module" in str(record(plugins, "b").problem)


def test_two_distributions_with_one_namespace_are_both_left_out_and_named(site: Site) -> None:
    site.install("dist-a", GOOD, entry="twin", version="1.0")
    site.install("dist-b", GOOD, entry="twin", version="2.0")
    plugins = site.load()
    found = [record for record in plugins.records if record.name == "twin"]
    assert [record.status for record in found] == ["duplicate", "duplicate"]
    assert "dist-b 2.0" in str(found[0].problem) and "dist-a 1.0" in str(found[1].problem)
    assert "twin/net" not in plugins.registries["generators"]
    with pytest.raises(UnknownNameError, match=r"is there twice: dist-b 2\.0"):
        plugins.registries["generators"]["twin/net"]


def test_the_same_distribution_found_twice_is_one(site: Site) -> None:
    site.install("dist-a", GOOD, entry="once")
    found = list(importlib.metadata.distributions(path=[str(site.folder)]))
    plugins = Plugins(distributions=found + found)
    plugins.load()
    assert record(plugins, "once").status == "good"


@pytest.mark.parametrize("name", ["Upper", "under_score", "a.b", "toonforge", "-x"])
def test_a_misnamed_plugin_is_not_imported(site: Site, name: str) -> None:
    site.install("dist-a", "raise SystemExit('imported')", entry=name)
    found = [record for record in site.load().records if record.distribution == "dist-a"]
    assert [record.status for record in found] == ["misnamed"] and name in str(found[0].problem)


def test_a_blocked_plugin_is_not_imported(site: Site) -> None:
    site.install("dist-a", "raise SystemExit('imported')", entry="a")
    plugins = site.load(blocked=["a"])
    assert record(plugins, "a").status == "blocked"
    with pytest.raises(UnknownNameError, match=r"blocked by -p no:a"):
        plugins.registries["losses"]["a/loss"]


def test_the_environment_allows_by_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("dist-a", GOOD, entry="a")
    site.install("dist-b", "raise SystemExit('imported')", entry="b")
    monkeypatch.setenv("TOONFORGE_PLUGINS", "a, c")
    plugins = site.load()
    assert (record(plugins, "a").status, record(plugins, "b").status) == ("good", "blocked")
    assert record(plugins, "b").problem == "not in TOONFORGE_PLUGINS"
    monkeypatch.setenv("TOONFORGE_PLUGINS", "")
    assert record(site.load(), "a").status == "blocked"


def test_metadata_that_cannot_be_read_is_reported(site: Site) -> None:
    site.metadata("dist-a", "[toonforge]\nno equals sign\n")
    site.install("dist-b", GOOD, entry="b")
    plugins = site.load()
    found = record(plugins, "dist-a")
    assert found.status == "broken" and "its metadata cannot be read" in str(found.problem)
    assert record(plugins, "b").status == "good"


def test_damaged_metadata_is_reported_of_plugins_alone(site: Site) -> None:
    site.metadata("dist-a", "[toonforge]\nx = json\n")
    site.metadata("dist-b", "[console_scripts]\nx = json:x\n")
    for file in site.folder.glob("*/METADATA"):
        file.write_bytes(b"Name: \xff\xfe\n")
    found = site.load().records
    assert [(each.name, each.status) for each in found] == [("toonforge", "good"), ("unknown distribution", "broken")]
    assert "UnicodeDecodeError" in str(found[1].problem)


def test_an_importlib_that_says_none_for_missing_metadata(site: Site) -> None:
    class Bare(importlib.metadata.Distribution):
        metadata = None  # type: ignore[assignment]

        def read_text(self, filename: str) -> str | None:
            return f"[toonforge]\nx = {module}\n" if filename == "entry_points.txt" else None

        def locate_file(self, path: object) -> Path:
            raise AssertionError

    site.install("dist-a", GOOD)
    module = next(site.folder.glob("fake*.py")).stem
    plugins = Plugins(distributions=[Bare()])
    plugins.load()
    assert (record(plugins, "x").status, record(plugins, "x").distribution) == ("good", "unknown distribution")


def test_a_plugin_that_would_supply_something_is_named_with_its_install_command(site: Site) -> None:
    with pytest.raises(UnknownNameError, match=r"install toonforge-mha-unet.*pip install \./plugins/mha-unet"):
        site.load().registries["generators"]["mha-unet/generator"]


def test_a_name_missing_from_a_good_plugin_has_close_matches(site: Site) -> None:
    site.install("dist-a", GOOD, entry="a")
    with pytest.raises(UnknownNameError, match="did you mean 'a/net'") as caught:
        site.load().registries["generators"]["a/nett"]
    assert "no plugin" not in str(caught.value)


def test_two_plugins_with_one_command_name_both(site: Site) -> None:
    site.install("dist-a", COMMANDS, entry="a")
    site.install("dist-b", COMMANDS, entry="b")
    plugins = site.load()
    assert list(plugins.commands) == ["go", "run"] and record(plugins, "a").supplies == {"commands": ("go", "run")}
    assert plugins.commands["go"][1].distribution == "dist-a"
    found = record(plugins, "b")
    assert found.status == "broken" and "command 'go' is already supplied by dist-a 1.0" in str(found.problem)


def test_run_hooks_of_a_broken_plugin_are_not_called(site: Site) -> None:
    code = "from toonforge.plugins.hookspecs import hookimpl\n@hookimpl\ndef run_started(run):\n    return 'heard'\n"
    site.install("dist-a", code, entry="a")
    site.install("dist-b", code + "@hookimpl\ndef toonforge_ops():\n    return 3\n", entry="b")
    plugins = site.load()
    assert plugins.manager.hook.run_started(run=None) == ["heard"]


def test_a_plugin_that_looks_something_up_while_it_is_imported_does_not_recurse(site: Site) -> None:
    site.install("dist-a", "import toonforge.registries as r\nlist(r.generators)\n" + GOOD, entry="a")
    assert record(site.load(), "a").status == "good"


def test_unknown_names_to_block_are_named() -> None:
    known = PluginRecord(name="cyclegan", distribution="d", version="1", target="t", status="good")
    (problem,) = unknown_plugins(["cyclegn", "cyclegan"], [known])
    assert "cyclegn" in problem.message and problem.hint == "did you mean 'cyclegan'?"


def test_listing_components_imports_no_torch() -> None:
    code = (
        "import sys; from toonforge import registries as r;"
        "[list(registry) for registry in r.plugins.registries.values()];"
        "assert not {'torch', 'torchvision', 'accelerate'} & set(sys.modules), 'torch is loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
