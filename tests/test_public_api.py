"""The public API is small, documented, and changes only by decision."""

from __future__ import annotations

import builtins
import difflib
import doctest
import importlib
import inspect
import re
import subprocess
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.public_api import MODULES, public_names, written
from toonforge.testing.packages import imports_of
from toonforge.testing.public import FOR_PLUGINS, refusal

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tests" / "public_api.txt"
API = ROOT / "docs" / "reference" / "api"


def test_public_names_and_signatures_are_those_that_were_decided() -> None:
    """Where a change is wanted: `python -m tests.public_api > tests/public_api.txt`, a line in CHANGELOG.md, and for
    what goes a deprecation first (docs/explanation/compatibility.md)."""
    # In a process of its own: reading recipes resolves the names in annotations, which are written otherwise from then on.
    command = [sys.executable, "-m", "tests.public_api"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    was, now = LIST.read_text("utf-8").splitlines(), found.splitlines()
    changes = list(difflib.unified_diff(was, now, "decided", "found", n=0, lineterm=""))
    assert not changes, "\n".join(
        [*changes, "", inspect.getdoc(test_public_names_and_signatures_are_those_that_were_decided) or ""]
    )


def test_a_renamed_parameter_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    import toonforge.data

    def read_picture(file: str) -> None: ...

    monkeypatch.setattr(toonforge.data, "read_picture", read_picture)
    (line,) = [line for line in written().splitlines() if line.startswith("toonforge.data.read_picture")]
    assert line == "toonforge.data.read_picture(file: str) -> None"
    assert line not in LIST.read_text("utf-8").splitlines()


@pytest.mark.parametrize("module", MODULES)
def test_a_public_module_says_what_it_is_for_and_lists_its_names(module: str) -> None:
    found = importlib.import_module(module)
    assert found.__doc__
    assert len(set(found.__all__)) == len(found.__all__)
    assert not [name for name in found.__all__ if name.startswith("_") and name != "__version__"]


def test_every_public_function_and_class_has_a_docstring_of_its_own() -> None:
    without = []
    for name, value in public_names().items():
        if isinstance(value, type):
            inherited = any(value.__doc__ == base.__doc__ for base in value.__bases__)
            methods = [each for each, method in vars(value).items() if isinstance(method, types.FunctionType)]
            without += [name] if not value.__doc__ or inherited else []
            without += [
                f"{name}.{each}"
                for each in methods
                if not each.startswith("_") and not inspect.getdoc(getattr(value, each)) and "test" not in each
            ]
        elif isinstance(value, types.FunctionType) and not value.__doc__:
            without.append(name)
    assert without == []


def test_what_public_functions_give_back_is_public() -> None:
    names = public_names()
    known = {name.rsplit(".", 1)[-1] for name in names} | set(dir(builtins)) | set(dir(typing)) | {"Path", "Iterator"}
    secret = []
    for name, value in names.items():
        if name.count(".") == 1 and isinstance(value, types.FunctionType):
            words = re.findall(r"[A-Za-z_]\w*", str(inspect.get_annotations(value).get("return")))
            secret += [f"{name} -> {word}" for word in words if word not in known]
    assert secret == []


def not_public(source: str, modules: Sequence[str]) -> list[str]:
    """What is said of each import from toonforge that is of nothing public."""
    imports = [(module, name) for _, module, name in imports_of(source) if module.partition(".")[0] == "toonforge"]
    return [said for module, name in imports if (said := refusal(module, name, modules)) is not None]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("plugins/*/src/**/*.py")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_plugin_imports_public_names_alone(path: Path) -> None:
    assert not_public(path.read_text("utf-8"), FOR_PLUGINS) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from toonforge.train.step import Training", "toonforge.train is not for plugins and changes without notice; what"),
        ("import toonforge.registry", "toonforge.registry is not for plugins"),
        ("import toonforge.plugins", "toonforge.plugins is not for plugins"),
        ("from toonforge import runs", "toonforge.runs is not for plugins"),
        ("from toonforge.runs import *", "toonforge.runs is not for plugins"),
        ("from toonforge.recipe import expr", "toonforge.recipe.expr is not for plugins"),
        ("from toonforge.recipe.expr import Expr", "toonforge.recipe.expr is not for plugins and changes without notice; from toonforge import Expr"),
        ("from toonforge.components import APART", "toonforge.components.APART is not for plugins"),
        ("def late():\n    from toonforge.speed import tricks", "toonforge.speed is not for plugins"),
        ("from toonforge.use.demo import build", "toonforge.use.demo is for scripts and notebooks"),
        ("from toonforge.use import tiled", "toonforge.use.tiled is for scripts and notebooks"),
        ("from toonforge.use.translate import Translator", "toonforge.use is not for plugins"),
    ],
)  # fmt: skip
def test_an_import_of_what_is_not_public_is_found(source: str, said: str) -> None:
    (found,) = not_public(source, FOR_PLUGINS)
    assert found.startswith(said)


def test_imports_of_what_is_public_pass() -> None:
    source = "import toonforge, toonforge.nn.init\nfrom toonforge import *\nfrom toonforge.nn import choices, init\n"
    assert (
        not_public(source + "from .toonforge import train\nfrom toonforge import Loss, nn, losses\n", FOR_PLUGINS) == []
    )
    assert not_public("from toonforge.use import tiled\nfrom toonforge.use.demo import build\n", MODULES) == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.stem
)
def test_the_docs_show_public_names_alone(page: Path) -> None:
    blocks = re.findall(r"^ *```python[^\n]*\n(.*?)^ *```", page.read_text("utf-8"), re.M | re.S)
    scripts = [doctest.script_from_examples(block) if ">>> " in block else block for block in blocks]
    assert [name for script in scripts for name in not_public(inspect.cleandoc(script), MODULES)] == []


def test_every_public_name_has_its_place_in_the_reference() -> None:
    pages = "\n".join(page.read_text("utf-8") for page in API.glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)", pages, re.M))
    assert [module for module in MODULES[1:] if module not in shown] == []
    elsewhere = {id(value) for name, value in public_names().items() if name.rpartition(".")[0] in shown}
    without = [
        name
        for name, value in public_names().items()
        if name.count(".") == 1 and id(value) not in elsewhere and name not in shown and f"`{name}`" not in pages
    ]
    assert without == ["toonforge.__version__"]
