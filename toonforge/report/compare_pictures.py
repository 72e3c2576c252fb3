"""The same validation pictures as several runs translate them: rows matched by the pictures' names, runs in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from toonforge.report.compare_curves import COLOURS
from toonforge.report.compared import Compared
from toonforge.report.gallery import BUDGET, spread
from toonforge.report.pictures import Pictures
from toonforge.report.strips import Stage, Strips, read_strips

_Key = tuple[str, str]


@attrs.frozen(kw_only=True)
class Moment:
    """What the slider stops at: a step or an epoch that runs have in common, or the last or best grid of each.

    Attributes:
        label: in words.
        steps: run -> the step whose grid is shown.
        best: whether these are the best ones.
    """

    label: str
    steps: Mapping[str, int]
    best: bool = False


@attrs.frozen(kw_only=True)
class SideBySide:
    """What the page shows. `data` is for compare.js, None where there is nothing; `notes` say what is left out."""

    data: Mapping[str, Any] | None
    notes: tuple[str, ...]


def side_by_side(runs: Sequence[Compared], pictures: Pictures, budget: int = BUDGET) -> SideBySide:
    """Choose what to show of the runs' grids and add the pictures to the page."""
    strips = {run.name: _strips(run) for run in runs}
    strips = {name: found for name, found in strips.items() if found}
    without = [run.name for run in runs if run.name not in strips]
    if not strips:
        return SideBySide(data=None, notes=("None of the runs has drawn its validation pictures in strips.",))
    notes = [f"No strips of validation pictures: {', '.join(without)}."] if without else []
    every = moments(
        [run for run in runs if run.name in strips], {name: sorted(found) for name, found in strips.items()}
    )
    chosen = _fitting(every, strips, budget)
    if len(chosen) < len(every):
        notes.append(f"{len(chosen)} of {len(every)} moments shown, to keep the page small.")
    smaller = _cost(chosen, strips) > budget
    if smaller:
        notes.append("The pictures are saved anew at a lower quality, to keep the page small.")
    there = [run.name for run in runs if run.record is not None]
    colours = {name: place % COLOURS + 1 for place, name in enumerate(there)}
    keys = dict.fromkeys((s.target, s.field) for found in strips.values() for step in found for s in found[step])
    translations = [_translation(key, strips, chosen, pictures, smaller, notes, colours) for key in keys]
    shown = [translation for translation in translations if translation is not None]
    data = {
        "steps": [{"step": at, "label": moment.label, "best": moment.best} for at, moment in enumerate(chosen)],
        "first": max(at for at, moment in enumerate(chosen) if not moment.best),
        "translations": shown,
    }
    return SideBySide(data=data if shown else None, notes=tuple(notes))


def _strips(run: Compared) -> dict[int, tuple[Strips, ...]]:
    if run.record is None:
        return {}
    read = {sample.step: read_strips(run.folder, sample.strips) for sample in run.record.samples}
    return {step: found for step, found in read.items() if found}


def last_strips(run: Compared) -> tuple[Strips, ...]:
    """Those of the last grid that a run has drawn."""
    found = _strips(run)
    return found[max(found)] if found else ()


def moments(runs: Sequence[Compared], steps: Mapping[str, Sequence[int]]) -> list[Moment]:
    """What there is to compare, the last of each run at the end.

    Args:
        steps: run -> steps at which it has drawn its pictures, rising, at least one.
    """
    found = _common(runs, steps)
    last = {name: own[-1] for name, own in steps.items()}
    if found and dict(found[-1].steps) == last:
        found[-1] = attrs.evolve(found[-1], label=f"{found[-1].label}, the last")
    else:
        alike = len(set(last.values())) == 1
        found.append(Moment(label=f"step {next(iter(last.values())):,}" if alike else "last of each run", steps=last))
    best = {run.name: run.record.best.step for run in runs if run.record is not None and run.record.best is not None}
    best = {name: step for name, step in best.items() if step in steps[name]}
    if best and {**last, **best} != last:
        found.append(Moment(label="best checkpoint of each run", steps={**last, **best}, best=True))
    return found


def _common(runs: Sequence[Compared], steps: Mapping[str, Sequence[int]]) -> list[Moment]:
    """Steps that all have; epochs, where these are not equally long: steps are then not equally far into the data."""
    epochs: dict[str, dict[float, int]] = {}
    for run in runs:
        known = {step: run.record.epoch(step) for step in steps[run.name]} if run.record is not None else {}
        epochs[run.name] = {round(epoch, 2): step for step, epoch in known.items() if epoch is not None}
    shared = sorted(set.intersection(*(set(own) for own in epochs.values())))
    lengths = {run.record.starts[-1].steps_per_epoch for run in runs if run.record is not None and run.record.starts}
    if len(lengths) > 1 and shared:
        return [Moment(label=f"epoch {at:g}", steps={name: own[at] for name, own in epochs.items()}) for at in shared]
    common = sorted(set.intersection(*(set(own) for own in steps.values())))
    return [Moment(label=f"step {step:,}", steps=dict.fromkeys(steps, step)) for step in common]


def _fitting(
    every: Sequence[Moment], strips: Mapping[str, Mapping[int, Sequence[Strips]]], budget: int
) -> list[Moment]:
    """As many moments as the budget allows, the last and the best always."""
    newest = max(at for at, moment in enumerate(every) if not moment.best)
    for wanted in range(len(every), 0, -1):
        chosen = [every[at] for at in spread(range(len(every)), wanted, newest)]
        if _cost(chosen, strips) <= budget:
            break
    return chosen


def _cost(chosen: Sequence[Moment], strips: Mapping[str, Mapping[int, Sequence[Strips]]]) -> int:
    """Characters in the page, about."""
    paths = {
        stage.path
        for moment in chosen
        for name, step in moment.steps.items()
        for one in strips[name][step]
        for stage in one.stages
        if stage.stage == "output"
    }
    return sum(path.stat().st_size for path in paths if path.is_file()) * 4 // 3


def _translation(
    key: _Key,
    strips: Mapping[str, Mapping[int, Sequence[Strips]]],
    chosen: Sequence[Moment],
    pictures: Pictures,
    smaller: bool,
    notes: list[str],
    colours: Mapping[str, int],
) -> Mapping[str, Any] | None:
    """One translation: rows are pictures that two runs or more show; columns the input, the runs, and the target."""
    newest = {name: _of(found[max(found)], key) for name, found in strips.items()}
    own = {name: one for name, one in newest.items() if one is not None}
    count: dict[str, int] = {}
    for one in own.values():
        for name in dict.fromkeys(one.names):
            count[name] = count.get(name, 0) + 1
    names = [name for name, shown in count.items() if shown > 1]
    if len(own) == 1:
        notes.append(f"{key[1]} to {key[0]}: only {next(iter(own))} translates so.")
        return None
    if not names:
        notes.append(f"{key[0]}: the runs show no validation picture in common.")
        return None
    alone = sum(shown == 1 for shown in count.values())
    if alone:
        notes.append(f"{key[0]}: {alone} pictures are left out that only one run shows.")
    columns: list[tuple[str, str, list[Any]]] = []
    for stage in ("input", "target"):
        cells = _fixed(stage, own, names, pictures, smaller)
        if cells is not None:
            columns.append((stage, cells[0], [cells[1]] * len(chosen)))
    runs = [
        ("output", name, [_cells(_of(found[m.steps[name]], key), "output", names, pictures, smaller) for m in chosen])
        for name, found in strips.items()
        if name in own
    ]
    ordered = [*(c for c in columns if c[0] == "input"), *runs, *(c for c in columns if c[0] == "target")]
    return {
        "target": key[0],
        "field": key[1],
        "names": names,
        "columns": [
            {"stage": stage, "word": word, "colour": colours.get(word) if stage == "output" else None, "at": at}
            for stage, word, at in ordered
        ],
    }


def _fixed(
    stage: str, own: Mapping[str, Strips], names: Sequence[str], pictures: Pictures, smaller: bool
) -> tuple[str, Any] | None:
    """The word and the cells of what is the same at every step, of the run that has most of the pictures."""
    having = [one for one in own.values() if _stage(one, stage) is not None]
    if not having:
        return None
    fullest = max(having, key=lambda one: len(set(names) & set(one.names)))
    found = _stage(fullest, stage)
    return found.label if found is not None else stage, _cells(fullest, stage, names, pictures, smaller)


def _cells(
    strips: Strips | None, stage: str, names: Sequence[str], pictures: Pictures, smaller: bool
) -> Mapping[str, Any] | None:
    found = None if strips is None else _stage(strips, stage)
    if strips is None or found is None:
        return None
    rows = {name: place for place, name in reversed([*enumerate(strips.names)])}
    return {
        "picture": pictures.add(found.path, strips.strip_size, smaller),
        "size": strips.size,
        "count": len(strips.names),
        "rows": [rows.get(name, -1) for name in names],
    }


def _of(strips: Sequence[Strips], key: _Key) -> Strips | None:
    return next((one for one in strips if (one.target, one.field) == key), None)


def _stage(strips: Strips, stage: str) -> Stage | None:
    return next((one for one in strips.stages if one.stage == stage), None)
