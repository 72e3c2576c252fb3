"""A comparison as a table: its columns, and which value is best."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import attrs

from toonforge.events import About
from toonforge.report.compare_metrics import REFERENCES, Level, Metric, references, value_of
from toonforge.report.compare_recipes import Differing
from toonforge.report.compare_verdicts import verdicts
from toonforge.report.compared import Compared
from toonforge.report.html import memory
from toonforge.runs.record import Measurement
from toonforge.runs.verdict import lost

MOST_KEYS = 6
"""Where more keys differ, they have no columns; the page and the CSV have them all."""

OWN = ("run", "folder", "state", "steps", "images/s", "time", "memory")
"""Headings of the table's own columns: a recipe's key that is called so is written in full."""


ROWS = {part: part for part in REFERENCES}
"""Parts as the table's own rows call them."""


@attrs.frozen(kw_only=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        cells: one a row: the runs, then the references.
        best: rows that hold the best value.
        lost: row -> what its value does not beat, in words: also the best of the runs may beat nothing.
        kind: "run" (its name), "value" (what differs), "state", "step", "metric", "best" (of a metric, over the
            training), "part" of a metric, or "cost".
        better: "lower" or "higher" for columns of metrics that judge.
    """

    title: str
    cells: tuple[str, ...]
    kind: str
    best: frozenset[int] = frozenset()
    lost: Mapping[int, str] = attrs.field(factory=dict)
    better: str | None = None


@attrs.frozen(kw_only=True)
class Table:
    """A comparison.

    Attributes:
        columns: from left to right; the first names the row.
        runs: how many rows are runs; those after them are what the metrics are without any model.
        failed: which runs failed, and why.
        verdicts: which runs do not beat what they have to, and where the best is not sure.
        notes: what must be known to read the values.
        how: metric -> how it is measured, where that is the same in all runs.
    """

    columns: tuple[Column, ...]
    runs: int
    failed: tuple[str, ...]
    verdicts: tuple[str, ...]
    notes: tuple[str, ...]
    how: Mapping[str, About]

    @property
    def protocols(self) -> tuple[str, ...]:
        """How each metric is measured, a line each."""
        return tuple(f"{name}: {about.protocol}" for name, about in self.how.items())

    @property
    def rows(self) -> int:
        """Of runs and references."""
        return len(self.columns[0].cells)


def make_table(runs: Sequence[Compared], differing: Sequence[Differing], metrics: Sequence[Metric]) -> Table:
    """The comparison of the runs as they stand."""
    rows = {part: references(metrics, part) for part in REFERENCES}
    rows = {part: found for part, found in rows.items() if found}
    named = [_plain("run", "run", [run.name for run in runs], list(rows))]
    values = _value_columns(runs, differing, len(rows))
    if runs[0].values:  # what a sweep varied is what its runs are called: the names stand at the end, as folders
        first = attrs.evolve(values[0], cells=(*values[0].cells[: len(runs)], *rows))
        columns, named = [first, *values[1:]], [_plain("folder", "run", [run.name for run in runs], [""] * len(rows))]
    else:
        columns, named = [*named, *values], []
    states = [run.state for run in runs]
    if any(state != "finished" for state in states):
        columns.append(_plain("state", "state", states, [""] * len(rows)))
    steps = ["-" if run.record is None else f"{run.record.step:,}" for run in runs]
    if len(set(steps)) > 1:
        columns.append(_plain("steps done", "step", steps, [""] * len(rows)))
    parts: list[Column] = []
    for metric in metrics:
        own = _metric_columns(runs, metric, [_several(found.get(metric.name)) for found in rows.values()])
        columns += [column for column in own if column.kind != "part"]
        parts += [column for column in own if column.kind == "part"]
    for title, cells in _costs(runs).items():
        columns.append(_plain(title, "cost", cells, [""] * len(rows)))
    return Table(
        columns=(*columns, *parts, *named),
        runs=len(runs),
        failed=tuple(f"{run.name} failed: {run.why}" for run in runs if run.why is not None),
        verdicts=tuple(verdicts(metrics)),
        notes=(*_notes(runs, metrics), *_hidden(runs, differing)),
        how={metric.name: about for metric in metrics for about in _how(metric)},
    )


def _how(metric: Metric) -> list[About]:
    """How a metric is measured, where all runs did it in the same way and say how. What it cautions of is a note."""
    abouts = [measured.about[metric.name] for measured in metric.last.values() if metric.name in measured.about]
    return [attrs.evolve(about, cautions=()) for about in abouts[:1] if about.protocol and metric.apart is None]


def _costs(runs: Sequence[Compared]) -> dict[str, list[str]]:
    rates = [run.record.images_per_second if run.record is not None else None for run in runs]
    peaks = [run.record.memory if run.record is not None else None for run in runs]
    return {
        "images/s": ["-" if rate is None else f"{rate:.3g}" for rate in rates],
        "time": ["-" if run.seconds is None else clock(run.seconds) for run in runs],
        "memory": ["-" if peak is None else memory(peak) for peak in peaks],
    }


def _plain(title: str, kind: str, cells: Sequence[str], below: Sequence[str]) -> Column:
    return Column(title=title, kind=kind, cells=(*cells, *below))


def _value_columns(runs: Sequence[Compared], differing: Sequence[Differing], below: int) -> list[Column]:
    """What a sweep varied; else what differs between the recipes."""
    blank = [""] * below
    if runs[0].values:
        keys = dict.fromkeys(key for run in runs for key in run.values)
        return [_plain(key, "value", [run.values.get(key, "-") for run in runs], blank) for key in keys]
    if len(differing) > MOST_KEYS:
        return []
    return [
        _plain(
            found.key if found.label in OWN else found.label,
            "value",
            [found.short.get(run.name, "-") for run in runs],
            blank,
        )
        for found in differing
    ]


def _hidden(runs: Sequence[Compared], differing: Sequence[Differing]) -> list[str]:
    if runs[0].values or len(differing) <= MOST_KEYS:
        return []
    return [f"the recipes differ in {len(differing)} keys: {', '.join(found.label for found in differing)}"]


def _metric_columns(runs: Sequence[Compared], metric: Metric, below: Sequence[str]) -> list[Column]:
    columns = []
    for which, kind in (("last", "metric"), ("best", "best")):
        chosen = metric.last if which == "last" else metric.best
        if which == "best" and not metric.several:
            continue
        won = metric.winners(which)
        cells = []
        for run in runs:
            measured = chosen.get(run.name)
            text = "-" if measured is None else with_error(measured, metric.name)
            cells.append(text if which == "last" or measured is None else f"{text} @ {measured.step:,}")
        columns.append(
            Column(
                title=f"{metric.name}, {which}" if metric.several else metric.name,
                kind=kind,
                cells=(*cells, *(below if which == "last" else [""] * len(below))),
                best=frozenset(at for at, run in enumerate(runs) if run.name in won),
                lost={
                    at: words
                    for at, run in enumerate(runs)
                    if run.name in chosen and (words := lost(chosen[run.name].values[metric.name], metric.better, ROWS))
                },
                better=metric.better,
            )
        )
    for part in metric.parts:
        cells = [
            "-" if run.name not in metric.last else with_error(metric.last[run.name], metric.name, part) for run in runs
        ]
        columns.append(_plain(f"{metric.name} {part.replace('_', ' ')}", "part", cells, [""] * len(below)))
    return columns


def _notes(runs: Sequence[Compared], metrics: Sequence[Metric]) -> list[str]:
    if not metrics:
        return ["none of the runs was measured: their recipes have no [metrics], or none was due yet"]
    notes = [_when(runs)]
    without = [run.name for run in runs if run.record is not None and not run.measured]
    if without:
        notes.append(f"not measured yet, or without metrics: {', '.join(without)}")
    for metric in metrics:
        if metric.apart is not None:
            notes.append(f"{metric.name} was {metric.apart} in these runs: its values do not compare")
            if len(metric.protocols) > 1:
                notes += [f"{metric.name} in {', '.join(who)}: {text}" for text, who in metric.protocols.items()]
    said: dict[str, dict[str, None]] = {}
    for metric in metrics:
        abouts = [measured.about[metric.name] for measured in metric.last.values() if metric.name in measured.about]
        for caution in (caution for about in abouts for caution in about.cautions):
            said.setdefault(caution, {})[metric.name] = None
    return [*notes, *(f"{', '.join(names)}: {caution}" for caution, names in said.items())]


def _when(runs: Sequence[Compared]) -> str:
    """Of which steps the numbers are."""
    steps = {run.name: run.measured[-1].step for run in runs if run.measured}
    if len(set(steps.values())) == 1:
        return (
            f"metrics are of the last measurement, at step {next(iter(steps.values())):,}, where nothing else is said"
        )
    told = ", ".join(f"{step:,} in {name}" for name, step in steps.items())
    return f"metrics are of each run's last measurement, where nothing else is said: step {told}"


def with_error(measured: Measurement, metric: str, part: str = "") -> str:
    """ "83.7 ± 3.1": a number with its standard error where the metric gives one; "-" where it has no such part."""
    if part not in measured.values[metric]:
        return "-"
    error = value_of(measured, metric, f"{part}_std" if part else "std")
    return _beside(value_of(measured, metric, part), error)


def _beside(value: float, error: float) -> str:
    return number(value) + (f" ± {error:.2g}" if math.isfinite(error) else "")


def _several(levels: Sequence[Level] | None) -> str:
    """One number with its error, or from where to where they go."""
    if not levels:
        return ""
    low, high = (number(choose(one.value for one in levels)) for choose in (min, max))
    return _beside(levels[0].value, levels[0].error) if low == high else f"{low} to {high}"


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def clock(seconds: float) -> str:
    """ "4.2 s", from ten seconds on "3:12", from an hour on "1:03:12"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def link(folder: Path, place: Path) -> str:
    """A relative path, as a link writes it."""
    try:
        return Path(os.path.relpath(folder.resolve(), place.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return folder.resolve().as_posix()


def href(folder: Path, place: Path) -> str:
    """The same as an address: whatever the folder is called, it leads there, and nothing in it ends a link."""
    return quote(os.fsencode(link(folder, place)))
