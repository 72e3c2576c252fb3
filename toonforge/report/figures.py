"""What metrics drew while a run trained: as many pictures as their share of the page allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toonforge.report.gallery import BUDGET as ALL
from toonforge.report.gallery import spread
from toonforge.report.html import count
from toonforge.report.pictures import Pictures, characters
from toonforge.runs.reading import file_inside
from toonforge.runs.record import Record

DRAWN = 10
"""Pictures that a page shows of one metric at the most, evenly spaced over the training."""
BUDGET = ALL // 4
"""Characters that they may take in the page, all metrics together."""
EVALUATED = ALL // 8
"""The same of what later evaluations drew."""


def drawn(record: Record, pictures: Pictures, budget: int = BUDGET) -> list[Mapping[str, Any]]:
    """The pictures that metrics drew, for report.js: `name`, `steps` (a picture a step) and a `note` for the reader.

    Where they do not fit, fewer steps are shown; where not one does, pictures are saved anew, smaller.

    Args:
        budget: characters that they may take in the page; none of a metric is left out for them.
    """
    names = list(dict.fromkeys(name for measured in record.measurements for name in measured.pictures))
    best = record.best.step if record.best is not None else None
    found: list[Mapping[str, Any]] = []
    end = pictures.size + budget
    for place, name in enumerate(names):
        named = {m.step: m.pictures[name] for m in record.measurements if name in m.pictures}
        paths = {step: path for step in sorted(named) if (path := file_inside(record.folder, named[step])) is not None}
        if paths:
            figure = _figure(name, paths, pictures, best, (end - pictures.size) // (len(names) - place))
            found += [figure] if figure["steps"] else []
    return found


def _figure(name: str, paths: Mapping[int, Path], pictures: Pictures, best: int | None, room: int) -> dict[str, Any]:
    steps = list(paths)
    wanted = _fitting(steps, {step: characters(path.stat().st_size) for step, path in paths.items()}, best, room)
    anew = wanted == 0
    if anew:
        before = pictures.size
        pictures.add(paths[steps[-1]], room=room)
        wanted = min(DRAWN, len(steps), max(1, room // max(1, pictures.size - before)))
    shown = []
    for step in spread(steps, wanted, best):
        picture = pictures.add(paths[step], room=room // wanted if anew else room)
        if picture is not None:
            shown.append({"step": step, "label": f"step {count(step)}", "best": False, "picture": picture})
    notes = []
    if wanted < len(steps):
        notes.append(f"{len(shown)} of {count(len(steps))} pictures shown, evenly spaced, to keep the page small.")
    if len(shown) < wanted:
        notes.append(f"{wanted - len(shown)} cannot be read.")
    if anew:
        notes.append("They are saved anew, smaller than they were drawn.")
    return {"name": name, "steps": shown, "note": " ".join(notes)}


def _fitting(steps: Sequence[int], sizes: Mapping[int, int], best: int | None, room: int) -> int:
    """Of how many steps the pictures fit as they are; 0 where not one does."""
    numbers = range(min(DRAWN, len(steps)), 0, -1)
    return next((n for n in numbers if sum(sizes[step] for step in spread(steps, n, best)) <= room), 0)
