"""A comparison as a table: its columns, which value is best, and the files `table.md` and `table.csv`."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from toonforge.report.compare_metrics import REFERENCES, Metric, references, value_of
from toonforge.report.compare_recipes import Differing
from toonforge.report.compared import Compared
from toonforge.runs.record import Measurement

MOST_KEYS = 6
"""Where more keys differ, they have no columns; the page and the CSV have them all."""


@attrs.frozen(kw_only=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        cells: one a row: the runs, then the references.
        best: rows that hold the best value.
        kind: "run" (its name), "value" (what differs), "state", "step", "metric", "best" (of a metric, over the
            training), "part" of a metric, or "cost".
        better: "lower" or "higher" for columns of metrics that judge.
    """

    title: str
    cells: tuple[str, ...]
    kind: str
    best: frozenset[int] = frozenset()
    better: str | None = None


@attrs.frozen(kw_only=True)
class Table:
    """A comparison.

    Attributes:
        columns: from left to right; the first names the row.
        runs: how many rows are runs; those after them are what the metrics are without any model.
        failed: which runs failed, and why.
        notes: what must be known to read the values.
        protocols: how each metric is measured.
    """

    columns: tuple[Column, ...]
    runs: int
    failed: tuple[str, ...]
    notes: tuple[str, ...]
    protocols: tuple[str, ...]

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
        columns.append(_plain("steps", "step", steps, [""] * len(rows)))
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
        notes=(*_notes(runs, metrics), *_hidden(runs, differing)),
        protocols=tuple(f"{m.name}: {text}" for m in metrics for text in m.protocols if text and m.apart is None),
    )


def _costs(runs: Sequence[Compared]) -> dict[str, list[str]]:
    rates = [run.record.images_per_second if run.record is not None else None for run in runs]
    memory = [run.record.memory if run.record is not None else None for run in runs]
    return {
        "images/s": ["-" if rate is None else f"{rate:.3g}" for rate in rates],
        "time": ["-" if run.seconds is None else clock(run.seconds) for run in runs],
        "memory": ["-" if peak is None else size(peak) for peak in memory],
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
        _plain(found.label, "value", [found.short.get(run.name, "-") for run in runs], blank) for found in differing
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
                title=metric.name if which == "last" else f"{metric.name} at its best",
                kind=kind,
                cells=(*cells, *(below if which == "last" else [""] * len(below))),
                best=frozenset(at for at, run in enumerate(runs) if run.name in won),
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
    notes = []
    if not metrics:
        return ["none of the runs was measured: their recipes have no [metrics], or none was due yet"]
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


def with_error(measured: Measurement, metric: str, part: str = "") -> str:
    """ "83.7 ± 3.1": a number with its standard error where the metric gives one; "-" where it has no such part."""
    if part not in measured.values[metric]:
        return "-"
    error = value_of(measured, metric, f"{part}_std" if part else "std")
    return number(value_of(measured, metric, part)) + (f" ± {error:.2g}" if math.isfinite(error) else "")


def _several(values: Sequence[float] | None) -> str:
    """One number, or from where to where they go."""
    if not values:
        return ""
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def clock(seconds: float) -> str:
    """ "4.2 s", from ten seconds on "3:12", from an hour on "1:03:12"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def size(count: float) -> str:
    """Bytes as MiB, or GiB from one on."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


# -- files ------------------------------------------------------------------------------------------------------------


def markdown(table: Table, runs: Sequence[Compared], title: str, place: Path) -> str:
    """The table as Markdown: the best values bold, runs as links from the folder `place`, notes below."""
    heads = [f"{_escaped(c.title)} ({c.better} is better)" if c.better else _escaped(c.title) for c in table.columns]
    right = ("step", "metric", "best", "part", "cost")
    lines = [
        f"# {_escaped(title)}",
        "",
        _row(heads),
        _row(["---:" if c.kind in right else "---" for c in table.columns]),
    ]
    for index in range(table.rows):
        cells = [_cell(column, index) for column in table.columns]
        if index < table.runs:
            at = next(at for at, column in enumerate(table.columns) if column.kind == "run")
            cells[at] = f"[{cells[at]}](<{link(runs[index].folder, place)}/>)"
        else:
            cells = [f"*{cell}*" if cell else "" for cell in cells]
        lines.append(_row(cells))
    notes = [*table.failed, *table.notes, *table.protocols]
    if table.rows > table.runs:
        notes.append("untranslated, filter: what the metric is without a model, for the input and for a plain filter")
    lines += ["", *(f"- {_escaped(note)}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"


def link(folder: Path, place: Path) -> str:
    """A relative path, as a link writes it."""
    try:
        return Path(os.path.relpath(folder.resolve(), place.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return folder.resolve().as_posix()


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(column: Column, index: int) -> str:
    text = _escaped(column.cells[index])
    return f"**{text}**" if index in column.best else text


def _escaped(text: str) -> str:
    words = " ".join(text.split())
    for mark in "\\|*_`[]":
        words = words.replace(mark, f"\\{mark}") if mark != "_" else words
    return words.replace("<", "&lt;")


def comma_separated(runs: Sequence[Compared], differing: Sequence[Differing], metrics: Sequence[Metric]) -> str:
    """Everything known of every run, numbers in full; `METRIC@best` is the best over the training."""
    last = dict.fromkeys((m.name, part) for m in metrics for found in m.last.values() for part in found.values[m.name])
    judged = [metric for metric in metrics if metric.best]
    by_name = {metric.name: metric for metric in metrics}
    keys = dict.fromkeys(key for run in runs for key in run.values)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            "run",
            *(keys or [found.key for found in differing]),
            *("state", "steps"),
            *(".".join(filter(None, pair)) for pair in last),
            *(name for m in judged for name in (f"{m.name}@best", f"{m.name}@best.step")),
            *("images_per_second", "seconds", "memory_bytes", "folder", "problem"),
        ]
    )
    for run in runs:
        record = run.record
        values = [run.values[key] for key in keys] or [found.values.get(run.name, "") for found in differing]
        numbers = [
            by_name[name].last[run.name].values[name].get(part, "") if run.name in by_name[name].last else ""
            for name, part in last
        ]
        bests = [_best(metric, run.name) for metric in judged]
        costs = [record.images_per_second, run.seconds, record.memory] if record is not None else [None] * 3
        tail = [*("" if cost is None else cost for cost in costs), run.folder.as_posix(), run.why or ""]
        steps = "" if record is None else record.step
        writer.writerow([run.name, *values, run.state, steps, *numbers, *(x for pair in bests for x in pair), *tail])
    return stream.getvalue()


def _best(metric: Metric, run: str) -> tuple[float | str, int | str]:
    if run not in metric.best:
        return "", ""
    return value_of(metric.best[run], metric.name), metric.best[run].step
