"""The strips of a validation grid, as `strips.json` describes them: one file a stage, its pictures below each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from toonforge.runs.reading import file_inside, inside, read_text, shallow


@attrs.frozen(kw_only=True)
class Stage:
    """One stage of every picture: "input", "output", "reconstruction" or "target", its word, and its strip."""

    stage: str
    label: str
    path: Path


@attrs.frozen(kw_only=True)
class Strips:
    """The pictures of one translation at one step.

    Attributes:
        target, field: what is translated into what.
        names: the data set's names of the pictures, from the top.
        size: width and height of each, in pixels.
        stages: in order.
    """

    target: str
    field: str
    names: tuple[str, ...]
    size: tuple[int, int]
    stages: tuple[Stage, ...]

    @property
    def strip_size(self) -> tuple[int, int]:
        """Width and height that each strip must have."""
        return self.size[0], self.size[1] * len(self.names)


def read_strips(run: Path, strips: str) -> tuple[Strips, ...]:
    """The translations in a folder of strips; what is missing or damaged is left out.

    Args:
        run: the run's folder.
        strips: the folder of the strips, relative to it: "samples/step-000500".
    """
    folder = inside(run, strips)
    if folder is None:
        return ()
    try:
        found = shallow(json.loads(read_text(run, f"{strips}/strips.json")))["translations"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    read = [_strips(folder, each) for each in found] if isinstance(found, list) else []
    return tuple(each for each in read if each is not None and each.stages and each.names)


def _strips(folder: Path, found: Any) -> Strips | None:
    try:
        width, height = found["size"]
        return Strips(
            target=str(found["target"]),
            field=str(found["field"]),
            names=tuple(map(str, found["names"])),
            size=(max(1, int(width)), max(1, int(height))),
            stages=tuple(stage for stage in (_stage(folder, each) for each in found["columns"]) if stage is not None),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _stage(folder: Path, found: Mapping[str, Any]) -> Stage | None:
    path = file_inside(folder, found["file"])
    if path is None:
        return None
    return Stage(stage=str(found["stage"]), label=str(found["label"]), path=path)
