"""Every recipe resumes exactly: its networks, averages, optimizers, pools, pictures and numbers, bit for bit.

One recipe a method by default, all of them with `pytest -m soak tests/test_exact_recipes.py` (about two minutes).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.exact import Way, assert_same, in_parts, log_of
from tests.plain_recipes import small
from toonforge import registries
from toonforge.components import Count, changed
from toonforge.recipe.model import CheckpointRule, MetricsRule, Recipe, SamplesRule
from toonforge.schedules import LinearDecay
from toonforge.train.trainer import train

ROOT = Path(__file__).parent.parent
FILES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "recipes").rglob("*.toml"))]
METHODS = {
    "cartoongan/cartoongan",
    "pix2pix/pix2pix",
    "recipes/paper/faces_cyclegan.toml",
    "toon2real/toon2real",
    "unit/unit",
}


def every_recipe() -> list[Any]:
    names = [*FILES, *registries.recipes]
    assert set(names) >= METHODS
    return [pytest.param(name, marks=[] if name in METHODS else [pytest.mark.soak]) for name in names]


def eventful(name: str) -> Recipe:
    """The recipe shrunk to a run in which everything happens: phases of 3 steps, epochs of 4.

    Grids come every 3 steps, metrics every 2, checkpoints every 4, of which the newest and the best are kept.
    """
    recipe = small(ROOT / name if name.endswith(".toml") else name, steps=3)
    best = next(name for name, metric in recipe.metrics.items() if metric.lower_is_better is not None)
    rules = {
        "ema": 0.9,
        "schedule": LinearDecay(start=Count(steps=2)),
        "samples": SamplesRule(every=Count(steps=3), count=1),
        "metrics": MetricsRule(every=Count(steps=2), best=best, patience=50),
        "checkpoint": CheckpointRule(every=Count(steps=4), keep=1),
    }
    return changed(recipe, train=changed(recipe.train, **rules))


@pytest.mark.parametrize("name", every_recipe())
def test_a_recipe_resumes_exactly(name: str, tmp_path: Path) -> None:
    """Stopped where phases change and within an epoch; killed at an epoch's end and checkpoint; killed after those."""
    recipe = eventful(name)
    finished = train(recipe, folder=tmp_path / "whole", cpu=True)
    ways = [Way("stop", 3), Way("kill", 4, "checkpoint"), Way("kill", 5)]
    ended = in_parts(recipe, tmp_path / "parts", ways)
    assert ended[0] is not None and (ended[0].step, ended[0].reason) == (3, "interrupted")
    assert ended[1:3] == [None, None]
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[3])
    last = ended[-1]
    assert last is not None and (last.step, last.reason) == (recipe.train.steps, "done")
    assert (str(last.metrics), last.best) == (str(finished.metrics), finished.best)
    seen = {(event["event"], event["step"]) for event in log_of(tmp_path / "parts")}
    assert {("samples", 3), ("metrics", 4), ("checkpoint", 4)} <= seen
