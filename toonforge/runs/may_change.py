"""What may change when a run goes on, and how the rest is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toonforge.errors import Problem
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import Difference
from toonforge.schedules import Constant

MAY_CHANGE = (
    "train.steps",
    "train.epochs",
    "train.speed",
    "train.recompute",
    "train.accumulate",
    "train.checkpoint",
    "train.samples",
    "train.metrics",
    "train.log",
    "train.trackers",
    "train.processes",
    "train.workers",
    "data.cache",
    "translations",
    "metrics",
)
"""Keys that a resumed run may change: none of them alters a step that is already done. Whether another number of
processes can go on is the checkpoint's to say. Keys of the data set that say where pictures lie may change too, while
the pictures are the same."""


def may_change(key: str) -> bool:
    """Whether a resumed run may have another value of this key of the recipe, whatever it is."""
    return any(key == allowed or key.startswith(f"{allowed}.") for allowed in MAY_CHANGE)


def refused(run: Path, change: Difference) -> Problem:
    """What to say of a key that may not change."""
    return Problem(
        message=f"{run} was made by another recipe",
        key=change.key,
        found=_shown(change.new),
        expected=f"{_shown(change.old)}, as the run has it",
        hint="put it back, or begin a new run with --out",
    )


def follows_length(recipe: Recipe) -> bool:
    """Whether a learning rate depends on how long the run is."""
    return any(
        not isinstance(phase.schedule or recipe.train.schedule, Constant) and phase.until is None
        for phase in recipe.phases.values()
    )


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, default=str)
