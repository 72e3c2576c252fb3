"""`grid-TARGET.jpg`: the same validation pictures as every run translates them, as one picture to send around."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.files import save_picture
from toonforge.report.compare_pictures import last_strips
from toonforge.report.compared import Compared
from toonforge.report.strips import Stage, Strips

if TYPE_CHECKING:
    import numpy as np

    Cells = list[np.ndarray[Any, Any]]

MOST_RUNS, MOST_PICTURES, SMALLEST = 12, 6, 128


def grid_names(runs: Sequence[Compared]) -> list[str]:
    """The files that `grids` may write."""
    return list(dict.fromkeys(_name(strips.target) for run in runs for strips in last_strips(run)))


def _name(target: str) -> str:
    safe = re.sub(r"[^\w.-]+", "-", target)
    return f"grid-{safe}.jpg"


def grids(folder: Path, runs: Sequence[Compared], title: str) -> tuple[list[Path], list[str]]:
    """Draw one picture a translation that two runs or more offer, of each run's last grid.

    Returns:
        What was made, and what could not be: a run that shows none of the others' pictures is left out.
    """
    there = {run.name: last_strips(run) for run in runs}
    targets = dict.fromkeys((s.target, s.field) for found in there.values() for s in found)
    made, notes = [], []
    for target, field in targets:
        own = {
            name: strips
            for name, found in there.items()
            for strips in found
            if (strips.target, strips.field) == (target, field)
        }
        try:
            path, left_out = _grid(folder / _name(target), dict([*own.items()][:MOST_RUNS]), title)
        except (OSError, ValueError, SyntaxError) as error:  # a strip is damaged: a picture is not worth a comparison
            notes.append(f"grid-{target}.jpg could not be drawn: {type(error).__name__}: {error}")
            continue
        made += [path] if path is not None else []
        notes += [f"grid-{target}.jpg leaves out {name}: its validation pictures are others" for name in left_out]
    return made, notes


def _grid(path: Path, own: Mapping[str, Strips], title: str) -> tuple[Path | None, list[str]]:
    from toonforge.data.grid import ARROW, TARGET, draw_grid

    if len(own) < 2:
        return None, []
    names = list(dict.fromkeys(next(iter(own.values())).names))
    alike = {run: strips for run, strips in own.items() if set(names) & set(strips.names)}
    common = [name for name in names if all(name in strips.names for strips in alike.values())][:MOST_PICTURES]
    left_out = [run for run in own if run not in alike]
    if len(alike) < 2 or not common:
        return None, left_out
    first = next(iter(alike.values()))
    labels = dict(zip(alike, short_labels(list(alike), 22)))
    columns: list[tuple[str, Cells]] = []
    for stage in (s for s in first.stages if s.stage == "input"):
        columns.append((stage.label, _cells(first, stage, common)))
    for run, strips in alike.items():
        columns += [(f"{ARROW} {labels[run]}", _cells(strips, s, common)) for s in strips.stages if s.stage == "output"]
    for stage in (s for s in first.stages if s.stage == "target"):
        columns.append((f"{TARGET}{stage.label.removeprefix(TARGET)}", _cells(first, stage, common)))
    return save_picture(draw_grid(columns, title), path, format="JPEG", quality=92), left_out


def _cells(strips: Strips, stage: Stage, names: Sequence[str]) -> Cells:
    """Pictures (height, width, 3) of uint8; small ones enlarged, so that there is room for what stands above them."""
    import numpy as np
    from PIL import Image

    with Image.open(stage.path) as picture:
        if picture.size != strips.strip_size:
            raise ValueError(f"{stage.path} is {picture.size[0]}x{picture.size[1]}")
        strip = np.asarray(picture.convert("RGB"))
    height, times = strips.size[1], math.ceil(SMALLEST / max(strips.size))
    rows = [strips.names.index(name) for name in names]
    return [strip[row * height : (row + 1) * height].repeat(times, 0).repeat(times, 1) for row in rows]


def short_labels(labels: Sequence[str], room: int) -> list[str]:
    """Labels of at most `room` characters, all different: their ends, which vary fastest; or else numbers."""
    short = [label if len(label) <= room else "…" + label[1 - room :] for label in labels]
    return short if len(set(short)) == len(short) else [f"run {number}" for number in range(1, len(labels) + 1)]
