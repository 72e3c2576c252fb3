"""Pictures that a run was trained on: what they score says nothing of new ones."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from toonforge.data.files import Files
from toonforge.weights.chosen import Chosen

PART = "these pictures were trained on: the numbers say nothing of pictures that the networks have not seen"

BEST = (
    "the best checkpoint was chosen by these pictures: its numbers look better than those of new ones; a share that "
    "chooses nothing is held out with data.test"
)


def notes_on(part: str, checkpoint: Chosen) -> tuple[str, ...]:
    """What to say of a part of the run's own data set."""
    if part == "train":
        return (PART,)
    return (BEST,) if part == "validation" and checkpoint.name == "best" else ()


def note(run: Path, pictures: Files) -> str | None:
    """What to say of pictures some of which the run's data.csv lists for training; None where it lists none of them.

    Files are compared by where they lie, links followed: a copy of a picture is not found.
    """
    listed = _listed(run / "data.csv")
    count = sum(os.path.realpath(pictures.path(index)) in listed for index in range(len(pictures))) if listed else 0
    if not count:
        return None
    return f"{count:,} of {len(pictures):,} input pictures were trained on: what they score says nothing of new ones"


def _listed(path: Path) -> set[str]:
    """Where the pictures for training lie; nothing where there is no list."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("part") == "train"]
    except (OSError, ValueError, csv.Error):
        return set()
    cells = (cell for row in rows for key, cell in row.items() if key != "part" and isinstance(cell, str) and cell)
    return {os.path.realpath(cell) for cell in cells}
