"""Recipes made small: their phases begin and end in the order that the recipe has."""

from __future__ import annotations

from pathlib import Path

import pytest

from toonforge import load_recipe
from toonforge.components import Count
from toonforge.testing.shrinking import shrink

RECIPE = """\
name = "r"

[data]
type = "synthetic"

[generators.G]
type = "cyclegan/resnet"

[phases.first]
updates = ["G"]
from = %s
until = %s
losses.whole = { type = "l1", input = "G(photo)", target = "photo" }

[phases.second]
updates = ["G"]
from = %s
losses.whole = { type = "l1", input = "G(photo)", target = "anime" }

[train]
epochs = 90
"""


@pytest.mark.parametrize(
    "moments",
    [
        ("0", "5000", "{ epochs = 20 }"),
        ("1000", "{ epochs = 19.5 }", "{ epochs = 20 }"),
        ("{ epochs = 0.5 }", "{ epochs = 1.25 }", "{ epochs = 1.5 }"),
        ("0", "300", "5000"),
    ],
)
def test_phases_stay_in_order_in_whatever_units_they_count(moments: tuple[str, str, str], tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE % moments, "utf-8")
    first, second = shrink(load_recipe(path), steps=3).phases.values()
    assert (first.from_, first.until, second.from_) == (Count(steps=0), Count(steps=3), Count(steps=6))
