"""docs/how-to/test-a-plugin.md: its example passes, and it knows every suite and everything that one may say."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from tests.test_docs import block
from toonforge import registries, testing
from toonforge.registry import Provenance
from toonforge.testing.components import SUITES
from toonforge.testing.coverage import failures

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "test-a-plugin.md"
LOSSES = PAGE.parent / "plugins" / "losses.md"
NAMES_OF_ONES_OWN = {"component", "plugin", "recipe"}
"""What a suite is of: the page shows them rather than lists them."""


def test_the_example_passes(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """On the loss of the page on losses."""
    code = re.findall(r"<!-- file: \S+plugin\.py -->\n```python\n(.*?)```", LOSSES.read_text("utf-8"), re.S)[0]
    plugin = types.ModuleType("toonforge_soft.plugin")
    monkeypatch.setitem(sys.modules, "toonforge_soft", types.ModuleType("toonforge_soft"))
    monkeypatch.setitem(sys.modules, "toonforge_soft.plugin", plugin)
    exec(compile(code, str(LOSSES), "exec"), plugin.__dict__)
    if "soft/charbonnier" not in registries.losses:
        who = Provenance(plugin="soft", distribution="toonforge-soft", version="0")
        registries.losses.add("soft/charbonnier", plugin.Charbonnier, who)
    example: dict[str, type] = {}
    exec(compile(block("how-to/test-a-plugin.md", "python", "suites"), str(PAGE), "exec"), example)
    suite = example["TestCharbonnier"]
    SUITES.remove(suite)  # type: ignore[arg-type]
    # Its module lies in no file that another interpreter could import.
    suite.test_imports_quickly = suite.test_imports_without_torch = None  # type: ignore[attr-defined]
    assert dict(failures(suite(), tmp_path_factory)) == {}
    assert "test_equals_its_formula" in dir(suite)
    assert example["TestPlugin"].plugin == "soft"  # type: ignore[attr-defined]


def test_every_suite_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    missing = [name for name in testing.__all__ if f"`{name}`" not in page]
    assert not missing


def test_everything_that_a_suite_may_say_is_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    said = {name for suite in testing.__all__ for name in vars(getattr(testing, suite)).get("__annotations__", {})}
    assert {"pictures_alone", "reference", "wheel"} <= said
    missing = sorted(name for name in said - NAMES_OF_ONES_OWN if f"`{name}`" not in page)
    assert not missing
