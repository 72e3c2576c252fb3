"""Every public function and class that users call has an example in its docstring, which runs as it stands.

The examples run in the folder that docs/reference/api/index.md describes.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import random
import re
import shutil
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import toonforge
from tests.films import film, scene
from tests.public_api import MODULES, public_names
from tests.test_docs import block
from toonforge.components import Component

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WITHOUT = {
    "toonforge.demo": "serves until it is stopped; tests/test_docs_demo.py runs its how-to",
    "toonforge.use.demo.build": "loads Gradio; tests/test_docs_demo.py",
    "toonforge.use.demo.launch_options": "loads Gradio; tests/test_docs_demo.py",
    "toonforge.bench.measure": "takes its time; tests/test_docs_faster.py",
}
"""Public functions without an example of their own, and why."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples find: pictures, a film, a recipe, and (in `runs`) what it trains."""
    place = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(0)
    for name in ("photos", "drawings"):
        (place / name).mkdir()
        for index in range(4):
            Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(place / name / f"{index}.jpg")
    for name in ("photo", "drawing"):
        shutil.copy(place / f"{name}s" / "0.jpg", place / f"{name}.jpg")
    film(place / "film.mp4", scene(0, 8, 48, 64))
    (place / "small.toml").write_text(block("reference/api/index.md", "toml", "api-recipe"), "utf-8")
    return place


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The folder with two runs of the recipe in it."""
    for name in ("small", "other"):
        toonforge.run(folder / "small.toml", folder / "runs" / name, cpu=True)
    return folder


def examples(module: str) -> Iterator[doctest.DocTest]:
    """Of every public name that is defined in this module, or in one that is not public and belongs to it."""
    for name in importlib.import_module(module).__all__:
        value = inspect.unwrap(getattr(importlib.import_module(module), name))
        if isinstance(value, type | types.FunctionType) and not (
            value.__module__ != module and value.__module__ in MODULES
        ):
            yield from doctest.DocTestFinder(exclude_empty=True, recurse=True).find(value, name, module=False, globs={})


@pytest.mark.parametrize("module", MODULES)
def test_examples_give_what_they_show(
    module: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    tests = [test for test in examples(module) if test.examples]
    wants_runs = any('"runs/' in (test.docstring or "") for test in tests)
    monkeypatch.chdir(request.getfixturevalue("trained" if wants_runs else "folder"))
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    said = [text for test in tests for text in wrong(test)]
    assert not said, "\n".join(said)


def wrong(test: doctest.DocTest) -> list[str]:
    """What its examples do not give as they show it, and its variables that are not of the class they are said to be."""
    said: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append, clear_globs=False)
    for name, kind in test.globs.pop("__annotations__", {}).items():
        if isinstance(kind, type) and not getattr(kind, "_is_protocol", False) and name in test.globs:
            said += [] if isinstance(test.globs[name], kind) else [f"{test.name}: {name} is no {kind.__name__}"]
    return said


def users_call(name: str, value: Any) -> bool:
    """Whether an example is due: of functions, and of PyTorch's modules and attrs classes that users make themselves."""
    import torch

    if name.startswith(("toonforge.plugins.hookspecs.", "toonforge.testing.")):
        return False  # hooks are written and suites derived from: they have how-tos, which tests run as well
    if isinstance(value, types.FunctionType):
        return True
    return isinstance(value, type) and issubclass(value, torch.nn.Module) and not issubclass(value, Component)


def test_what_users_call_has_an_example() -> None:
    without = set()
    for name, value in public_names().items():
        plain = inspect.unwrap(value) if callable(value) else value
        if users_call(name, plain) and ">>> " not in (plain.__doc__ or ""):
            without.add(name)
    homes = {id(public_names()[name]) for name in WITHOUT}
    assert {name for name in without if id(public_names()[name]) not in homes} == set()
    assert [name for name in WITHOUT if name not in without] == []


def test_a_wrong_example_is_found() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    assert len(wrong(test)) == 1
    test = doctest.DocTestParser().get_doctest(">>> one: int = 'one'\n", {}, "wrong", None, None)
    assert wrong(test) == ["wrong: one is no int"]


@pytest.mark.parametrize("marker", ["api-registries"])
def test_the_examples_of_the_reference_run(marker: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = block("reference/api/components.md", "python", marker)
    exec(compile(code, "components.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    shown = re.findall(r"^print\(.*\)  +# (.*)$", code, re.M)
    assert len(shown) == 3 and all(said == (text.split(":")[0]) for said, text in zip(printed, shown, strict=False))


API = Path(__file__).parent.parent / "docs" / "reference" / "api"


def prompts(page: str) -> doctest.DocTest:
    """The blocks of a page that show what Python answers, one after the other."""
    found = re.findall(r"^```python\n(>>> .*?)^```$", (API / page).read_text("utf-8"), re.M | re.S)
    return doctest.DocTestParser().get_doctest("\n".join(found), {}, page, page, 0)


@pytest.mark.parametrize("page", [page.name for page in sorted(API.glob("*.md"))])
def test_the_answers_on_the_pages_of_the_reference_are_pythons(
    page: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    test = prompts(page)
    assert bool(test.examples) == (page not in ("index.md", "models.md"))
    said = wrong(test)
    assert not said, "\n".join(said)


def test_the_examples_of_the_page_about_compatibility_run() -> None:
    import tomli

    space: dict[str, Any] = {}
    code = block("explanation/compatibility.md", "python", "deprecations")
    exec(compile(code, "compatibility.md", "exec", dont_inherit=True), space)
    a, b = map(toonforge.Expr.parse, "ab")
    with pytest.warns(toonforge.ToonforgeDeprecationWarning, match="softness is deprecated: use `eps`"):
        space["Charbonnier"](input=a, target=b, softness=0.1)
    with pytest.warns(toonforge.ToonforgeDeprecationWarning, match="SoftL1 is deprecated: use soft/charbonnier"):
        space["SoftL1"](input=a, target=b)
    with pytest.warns(toonforge.ToonforgeDeprecationWarning, match="use soft_mean; it goes in toonforge-soft 0.3"):
        assert space["mean_of"]([1.0, 3.0]) == 2
    settings = tomli.loads(block("explanation/compatibility.md", "toml", "warnings"))
    (line,) = settings["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert line.startswith("error::") and line.removeprefix("error::toonforge.") in toonforge.__all__
