"""The suite of a whole plugin finds what it is for: each planted fault is found by one test, in words that help."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from toonforge import registries
from toonforge.plugins.loader import Plugins
from toonforge.recipe.expr import Expr
from toonforge.testing import ComponentSuite, LossSuite, PluginSuite
from toonforge.testing.components import SUITES
from toonforge.testing.coverage import failures

X = Expr.parse("G(photo)")
TYPED = {"py.typed": ""}

PLUGIN = '''
from pathlib import Path
from toonforge import Expr, Loss, component, hookimpl, param

@component
class Far(Loss):
    """A loss."""
    input: Expr = param(doc="a picture")

@hookimpl
def toonforge_losses():
    return {"far": Far}
'''


class Site:
    """An installed plugin of the name `strange`, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.package = f"strange_{folder.name.replace('-', '_')}"
        monkeypatch.syspath_prepend(str(folder))

    def suite(
        self, code: str = PLUGIN, requires: Sequence[str] = ("toonforge>=0.1,<0.2",), files: Mapping[str, str] = TYPED
    ) -> Any:
        """The plugin's suite; with no other plugin installed but the core."""
        self.install("strange", self.package, code, requires, files)
        importlib.invalidate_caches()
        found = Plugins(distributions=[*importlib.metadata.distributions(path=[str(self.folder)])])
        found.load()
        ours = registries.plugins
        ours.load()
        for name in ("records", "commands", "manager"):
            self.monkeypatch.setattr(ours, name, getattr(found, name))
        for each, other in zip(
            (*ours.registries.values(), *ours.files.values()),
            (*found.registries.values(), *found.files.values()),
            strict=True,
        ):
            self.monkeypatch.setattr(each, "_items", other._items)
        return type("Probe", (PluginSuite,), {"plugin": "strange"})()

    def install(
        self, name: str, package: str, code: str, requires: Sequence[str] = (), files: Mapping[str, str] = TYPED
    ) -> None:
        """A distribution `NAME_Plugin` of one package, as a wheel writes its metadata."""
        (self.folder / package).mkdir()
        for file, text in {"__init__.py": code, **files}.items():
            (self.folder / package / file).write_text(text)
        info = self.folder / f"{name}_plugin-1.0.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}_Plugin\nVersion: 1.0\n{needs}")
        (info / "entry_points.txt").write_text(f"[toonforge]\n{name} = {package}\n")

    def covered(self, by: type = LossSuite) -> None:
        """As if a suite of the test session named the plugin's loss."""
        component = registries.plugins.registries["losses"]["strange/far"](input=X)
        type("Covering", (by,), {"component": component})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("TOONFORGE_PLUGINS", raising=False)
    before = len(SUITES)
    yield Site(tmp_path, monkeypatch)
    del SUITES[before:]


def test_nothing_is_wrong_with_a_sound_plugin(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    suite = site.suite()
    site.covered()
    assert dict(failures(suite, tmp_path_factory)) == {}


@pytest.mark.parametrize(
    ("given", "test", "advice"),
    [
        ({"requires": ["toonforge"]}, "test_states_which_versions_of_toonforge_it_fits", '"toonforge>=0.1,<0.2"'),
        ({"requires": ["attrs"]}, "test_states_which_versions_of_toonforge_it_fits", "does not require toonforge"),
        ({"files": {}}, "test_is_typed", "put an empty file py.typed into"),
        (
            {"code": PLUGIN + "\ndef late():\n    from toonforge.train.step import Training\n"},
            "test_imports_public_modules_alone",
            "toonforge.train is not for plugins",
        ),
        (
            {"code": PLUGIN + "\ndef late():\n    import toonforge_cyclegan\n"},
            "test_imports_public_modules_alone",
            "plugins meet in recipes, by name",
        ),
        (
            {"code": PLUGIN.replace('    """A loss."""\n', "")},
            "test_everything_is_described",
            "has no docstring of its own",
        ),
    ],
    ids=["no-range", "no-requirement", "untyped", "private", "other-plugin", "undescribed"],
)
def test_a_plugin_that_is_not_in_order_is_found(
    site: Site, given: dict[str, Any], test: str, advice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    suite = site.suite(**given)
    site.covered()
    wrong = dict(failures(suite, tmp_path_factory))
    assert list(wrong) == [test], wrong
    assert advice in wrong[test]


def test_a_component_that_no_suite_covers_is_found(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    wrong = dict(failures(site.suite(), tmp_path_factory))
    assert list(wrong) == ["test_everything_is_tested"]
    told = "strange/far is covered by no LossSuite of the test files given to pytest, and cannot be made"
    assert wrong["test_everything_is_tested"].startswith(told)
    assert (
        "run the whole tests folder, or write for it:\n\nclass TestFar(LossSuite):"
        in wrong["test_everything_is_tested"]
    )


def test_a_suite_of_another_kind_covers_nothing(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    suite = site.suite()
    site.covered(by=ComponentSuite)
    assert list(dict(failures(suite, tmp_path_factory))) == ["test_everything_is_tested"]


def test_what_no_suite_covers_is_tried(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    code = PLUGIN.replace("input: Expr = param", 'input: Expr = param(Expr.parse("G(photo)"), ').replace(
        "(doc=", "doc="
    )
    (found,) = dict(failures(site.suite(code), tmp_path_factory)).values()
    assert "strange/far, covered by no LossSuite of the test files given to pytest and so tried with its" in found


LISTENER = """
from toonforge import hookimpl

@hookimpl
def run_finished(run, finished):
    print(finished.reason)
"""


def test_a_plugin_that_only_listens_is_in_order(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert dict(failures(site.suite(LISTENER), tmp_path_factory)) == {}


@pytest.mark.parametrize("code", [LISTENER.replace("@hookimpl", ""), "from toonforge import hookimpl\n"])
def test_a_plugin_that_does_nothing_is_found(site: Site, code: str) -> None:
    with pytest.raises(AssertionError, match=r"supplies nothing, and listens to no run: mark its hooks with @hookimpl"):
        site.suite(code).test_loads()


COMMAND = """
import click

@click.command()
@click.option("--dark"{help})
def ink(dark):
    {doc}

@hookimpl
def toonforge_commands():
    return {{"ink": ink}}
"""


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"help": "", "doc": '"""Ink."""'}, "option --dark of ink has no help="),
        (
            {"help": ', help="how dark"', "doc": "pass"},
            "command ink has no help: give its function a docstring",
        ),
    ],
)
def test_a_command_that_does_not_explain_itself_is_found(site: Site, parts: dict[str, str], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        site.suite(PLUGIN + COMMAND.format(**parts)).test_commands_explain_themselves()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import torch\n" + PLUGIN, r"imports torch: import it inside build\(\)"),
        ("import time\nwhile time.process_time() < 1.5: pass\n" + PLUGIN, "every command of toonforge waits for it"),
    ],
)
def test_a_plugin_whose_import_is_slow_is_found(site: Site, code: str, said: str) -> None:
    (site.folder / "torch.py").write_text("")
    suite = site.suite(PLUGIN)
    (site.folder / site.package / "__init__.py").write_text(code)  # this process has imported it, and needs torch
    suite.slowest_import = 0.01
    with pytest.raises(AssertionError, match=said):
        suite.test_imports_quickly_and_without_torch()


def test_a_broken_plugin_is_told_with_its_traceback(site: Site) -> None:
    suite = site.suite(code="import no_such_package")
    with pytest.raises(AssertionError, match=r"(?s)strange_Plugin is broken: .*no_such_package.*Traceback"):
        suite.test_loads()


def test_a_file_outside_the_package_is_found(site: Site) -> None:
    (site.folder / "m").touch()
    models = '\n@hookimpl\ndef toonforge_models():\n    return {"m": Path(__file__).parent.parent / "m"}\n'
    with pytest.raises(AssertionError, match=r"outside the package .*: a wheel would not have it"):
        site.suite(PLUGIN + models).test_files_are_there_and_in_the_package()


def test_a_file_that_is_not_there_is_found(site: Site) -> None:
    models = '\n@hookimpl\ndef toonforge_models():\n    return {"m": Path(__file__).with_name("m")}\n'
    suite = site.suite(PLUGIN + models)
    with pytest.raises(AssertionError, match=r"strange/m names .*, and there is no such file"):
        suite.test_files_are_there_and_in_the_package()


def test_a_wheel_that_lacks_a_file_is_found(site: Site) -> None:
    import zipfile

    suite = site.suite()
    wheel = site.folder / "strange_plugin-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{site.package}/__init__.py", PLUGIN)
        archive.writestr("strange_plugin-1.0.dist-info/entry_points.txt", "")
    built = type("Built", (type(suite),), {"wheel": wheel})()
    with pytest.raises(AssertionError, match=r"lacks \['py.typed'\]"):
        built.test_wheel_holds_the_package()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(f"{site.package}/py.typed", "")
    built.test_wheel_holds_the_package()
