"""Every public function and class stands in an example that is run: in its docstring, or on a page of the docs."""

from __future__ import annotations

import ast
import importlib
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.public_api import public_names
from tests.test_docstrings import API, MODULES, examples, prompts
from toonforge.plugins import hookspecs

DOCS = Path(__file__).parent.parent / "docs"
RUN = {
    "tests/test_docs_plugins.py": ("how-to/plugins/*.md",),
    "tests/test_docs_plugin_tutorial.py": ("tutorials/plugin.md",),
    "tests/test_docs_test_a_plugin.py": ("how-to/test-a-plugin.md",),
    "tests/test_docs_demo.py": ("how-to/demo.md",),
    "tests/test_docs_measure.py": ("how-to/measure.md",),
    "tests/test_docs_prepare.py": ("how-to/prepare-data.md",),
    "tests/test_docs_faster.py": ("how-to/make-it-faster.md",),
    "tests/test_docs_translate.py": ("how-to/translate.md",),
    "tests/test_docs_video.py": ("how-to/translate-video.md",),
    "tests/test_docs_watch.py": ("how-to/compare-runs.md",),
    "tests/test_docs_export.py": ("how-to/export.md",),
    "tests/test_docs_any_size.py": ("explanation/any-size.md",),
    "tests/test_docstrings.py": ("explanation/compatibility.md", "reference/api/components.md"),
}
"""Test -> the pages whose Python it runs; besides them, tests/test_docstrings.py runs every prompt of the reference."""
WITHOUT = {"toonforge.demo": "serves until it is stopped; `toonforge.use.demo.build` makes the same page"}
"""Public names that no example can show, and why."""


def used(source: str) -> Iterator[Any]:
    """What is toonforge's of the names in Python source that are imported and then used, and the hooks that it marks."""
    tree = ast.parse(source)
    known: dict[str, Any] = {}
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            module = node.module if isinstance(node, ast.ImportFrom) else alias.name
            if str(module).partition(".")[0] != "toonforge":
                continue
            found = importlib.import_module(str(module))
            if isinstance(node, ast.ImportFrom):
                known[alias.asname or alias.name] = getattr(found, alias.name)
            else:
                known[alias.asname or "toonforge"] = found if alias.asname else importlib.import_module("toonforge")

    def value(node: ast.AST) -> Any:
        if isinstance(node, ast.Name):
            return known.get(node.id)
        return getattr(value(node.value), node.attr, None) if isinstance(node, ast.Attribute) else None

    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and value(node) is not None:
            yield value(node)
        if isinstance(node, ast.FunctionDef) and hookspecs.hookimpl in map(value, node.decorator_list):
            yield getattr(hookspecs, node.name)


def sources() -> Iterator[str]:
    """The Python of every example that is run; the prompts of a docstring or a page belong together."""
    for module in MODULES:
        for test in examples(module):
            yield "".join(each.source for each in test.examples)
    for page in API.glob("*.md"):
        yield "".join(each.source for each in prompts(page.name).examples)
    for pattern in (pattern for patterns in RUN.values() for pattern in patterns):
        for page in DOCS.glob(pattern):
            yield from re.findall(r"^```python\n(?!>>> )(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


def shown() -> set[int]:
    return {id(value) for source in sources() for value in used(source)}


def test_every_public_function_and_class_stands_in_an_example_that_is_run() -> None:
    seen = shown()
    without = {
        name: value
        for name, value in public_names().items()
        if isinstance(value, type | types.FunctionType) and id(value) not in seen
    }
    exempt = {id(public_names()[name]) for name in WITHOUT}
    assert [name for name, value in without.items() if id(value) not in exempt] == []
    assert [name for name in WITHOUT if name not in without] == [], "these stand in an example"


def test_the_pages_that_count_are_those_that_tests_run() -> None:
    for test, patterns in RUN.items():
        source = (DOCS.parent / test).read_text("utf-8")
        for pattern in patterns:
            assert list(DOCS.glob(pattern)), pattern
            assert Path(pattern).name in source or Path(pattern).parent.name in source, (test, pattern)


def test_a_name_counts_where_it_is_used_and_not_where_it_is_imported_alone() -> None:
    source = "import toonforge as tf\nfrom toonforge.prepare import Row, dedupe\nprint(tf.Model, dedupe, 'tf.Row')\n"
    found = [value.__qualname__ for value in used(source) if hasattr(value, "__qualname__")]
    assert found == ["Model", "dedupe"]
