"""The validation pictures over the training: which steps a page shows, and what of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from toonforge.report.html import clean
from toonforge.report.pictures import Pictures
from toonforge.report.strips import Strips, read_strips
from toonforge.runs.reading import file_inside
from toonforge.runs.record import Record, Sample

BUDGET = 10_500_000
"""Characters that pictures may take: the page stays below 12 MB."""
NEVER_MOVES = ("input", "target")
"""Stages that are the same at every step."""


@attrs.frozen(kw_only=True)
class Gallery:
    """What the page shows of the validation pictures.

    Attributes:
        data: for report.js: steps, translations and the pictures of each; None where there is nothing to show.
        note: what the reader should know: that some steps are left out, that some cannot be read.
    """

    data: Mapping[str, Any] | None
    note: str


def gallery(record: Record, pictures: Pictures, label: Callable[[int], str], budget: int = BUDGET) -> Gallery:
    """Choose the steps and add their pictures to the page.

    Args:
        label: what a step is called: "step 500, epoch 3.5".
        budget: characters that `pictures` may take in the page.
    """
    best = record.best.step if record.best is not None else None
    samples = list({sample.step: sample for sample in _samples(record)}.values())
    there = {sample.step: read_strips(record.folder, sample.strips) for sample in samples}
    read = [sample for sample in samples if there[sample.step]]
    if not read:
        return _sheets(record, samples, pictures, label, best, budget)
    steps = [sample.step for sample in read]
    chosen = _fitting(steps, best, {step: there[step] for step in steps}, budget)
    smaller = _cost(chosen, there) > budget
    shown = {step: [_embedded(strips, pictures, smaller) for strips in there[step]] for step in chosen}
    notes = [_said(len(chosen), len(samples), len(samples) - len(read))]
    if smaller:
        notes.append("The pictures are saved anew at a lower quality, to keep the page small.")
    keys = dict.fromkeys((strips.target, strips.field) for step in reversed(chosen) for strips in there[step])
    data = {
        "steps": [{"step": step, "label": label(step), "best": step == best} for step in chosen],
        "translations": [_translation(key, chosen, there, shown) for key in keys],
        "sheets": None,
    }
    return Gallery(data=data, note=" ".join(filter(None, notes)))


def _samples(record: Record) -> Sequence[Sample]:
    """Those of the log; those that lie in the folder where the log knows none."""
    if record.samples:
        return sorted(record.samples, key=lambda sample: sample.step)
    found = {}
    for path in sorted(record.folder.glob("samples/step-*")):
        if match := re.fullmatch(r"step-(\d+)(\.jpg)?", path.name):
            name = f"samples/step-{match[1]}"
            found[int(match[1])] = Sample(step=int(match[1]), grid=f"{name}.jpg", strips=name)
    return [found[step] for step in sorted(found)]


def spread(steps: Sequence[int], wanted: int, best: int | None) -> list[int]:
    """So many steps, evenly spaced; the last, the best and the first before any other."""
    if wanted >= len(steps):
        return list(steps)
    middle = [best] if best is not None and best in steps else []
    always = list(dict.fromkeys([steps[-1], *middle, steps[0]]))[: max(1, wanted)]
    others = wanted - len(always)
    places = [round(i * (len(steps) - 1) / (others + 1)) for i in range(1, others + 1)]
    return sorted({*always, *(steps[place] for place in places)})


def _fitting(steps: Sequence[int], best: int | None, there: Mapping[int, Sequence[Strips]], budget: int) -> list[int]:
    """As many steps as the budget allows, one at least."""
    low, high = 1, len(steps)
    while low < high:
        middle = (low + high + 1) // 2
        if _cost(spread(steps, middle, best), there) <= budget:
            low = middle
        else:
            high = middle - 1
    return spread(steps, low, best)


def _cost(steps: Sequence[int], there: Mapping[int, Sequence[Strips]]) -> int:
    """Characters in the page, about: what never moves counts once."""
    sizes: dict[tuple[object, ...], int] = {}
    for step in steps:
        for strips in there[step]:
            for stage in strips.stages:
                size = _size(stage.path)
                fixed = stage.stage in NEVER_MOVES
                sizes[(strips.target, stage.stage, size) if fixed else (step, strips.target, stage.stage)] = size
    return sum(sizes.values()) * 4 // 3


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _embedded(strips: Strips, pictures: Pictures, smaller: bool) -> Mapping[str, int | None]:
    return {stage.stage: pictures.add(stage.path, strips.strip_size, smaller) for stage in strips.stages}


def _translation(
    key: tuple[str, str],
    chosen: Sequence[int],
    there: Mapping[int, Sequence[Strips]],
    shown: Mapping[int, Sequence[Mapping[str, int | None]]],
) -> Mapping[str, Any]:
    """One translation over the steps. Rows are the pictures of the last step that has it."""
    target, field = key
    at: dict[int, tuple[Strips, Mapping[str, int | None]]] = {}
    for step in chosen:
        for strips, numbers in zip(there[step], shown[step]):
            if (strips.target, strips.field) == key:
                at[step] = strips, numbers
    newest = at[max(at)][0]
    stages = {stage.stage: stage.label for strips, _ in at.values() for stage in strips.stages}
    return {
        "target": clean(target),
        "field": clean(field),
        "size": newest.size,
        "names": [clean(name) for name in newest.names],
        "stages": [{"stage": stage, "label": clean(label)} for stage, label in stages.items()],
        "at": [_at(newest, *at[step], list(stages)) if step in at else None for step in chosen],
    }


def _at(
    newest: Strips, strips: Strips, numbers: Mapping[str, int | None], stages: Sequence[str]
) -> Mapping[str, Any] | None:
    rows = {name: place for place, name in reversed([*enumerate(strips.names)])}
    same = strips.names == newest.names
    return {
        "size": strips.size,
        "count": len(strips.names),
        "rows": [*range(len(newest.names))] if same else [rows.get(name, -1) for name in newest.names],
        "pictures": [numbers.get(stage) for stage in stages],
    }


def _sheets(
    record: Record,
    samples: Sequence[Sample],
    pictures: Pictures,
    label: Callable[[int], str],
    best: int | None,
    budget: int,
) -> Gallery:
    """Whole grids, where there are no strips."""
    paths = {sample.step: file_inside(record.folder, sample.grid) for sample in samples}
    sizes = {step: _size(path) * 4 // 3 for step, path in paths.items() if path is not None}
    steps = sorted(sizes)
    wanted = len(steps)
    while wanted > 1 and sum(sizes[step] for step in spread(steps, wanted, best)) > budget:
        wanted -= max(1, wanted // 10)
    shown = []
    for step in spread(steps, wanted, best) if steps else []:
        path = paths[step]
        number = pictures.add(path, room=budget) if path is not None else None
        if number is not None:
            shown.append({"step": step, "label": label(step), "best": step == best, "picture": number})
    if not shown:
        unreadable = "The grids that the log names cannot be read." if samples else ""
        return Gallery(data=None, note=unreadable)
    note = _said(len(shown), len(samples), len(samples) - len(steps))
    return Gallery(data={"steps": shown, "translations": [], "sheets": True}, note=note)


def _said(shown: int, drawn: int, unreadable: int) -> str:
    texts = []
    if shown < drawn - unreadable:
        texts.append(f"{shown} of {drawn} grids shown, evenly spaced, to keep the page small.")
    if unreadable:
        texts.append(f"{unreadable} of {drawn} grids cannot be read.")
    return " ".join(texts)
