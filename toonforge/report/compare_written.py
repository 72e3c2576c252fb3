"""The files of a comparison's table: `table.md` and `table.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from toonforge.cells import cell
from toonforge.prepare.inspection.finding import printable
from toonforge.report.compare_metrics import Metric, value_of
from toonforge.report.compare_recipes import Differing
from toonforge.report.compare_table import Column, Table, href
from toonforge.report.compared import Compared


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
            cells[at] = f"[{cells[at]}](<{href(runs[index].folder, place)}/>)"
        else:
            cells = [f"*{cell}*" if cell else "" for cell in cells]
        lines.append(_row(cells))
    notes = [*table.failed, *table.verdicts, *table.notes, *table.protocols]
    if table.rows > table.runs:
        notes.append("untranslated, filter: what the metric is without a model, for the input and for a plain filter")
    lines += ["", *(f"- {_escaped(note)}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(column: Column, index: int) -> str:
    text = _escaped(column.cells[index])
    return f"**{text}**" if index in column.best else text


def _escaped(text: str) -> str:
    words = printable(" ".join(text.split()))
    for mark in "\\|*`[]~":
        words = words.replace(mark, f"\\{mark}")
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def comma_separated(runs: Sequence[Compared], differing: Sequence[Differing], metrics: Sequence[Metric]) -> str:
    """Everything known of every run, numbers in full; `METRIC@best` is the best over the training."""
    last = dict.fromkeys((m.name, part) for m in metrics for found in m.last.values() for part in found.values[m.name])
    judged = [metric for metric in metrics if metric.best]
    by_name = {metric.name: metric for metric in metrics}
    keys = dict.fromkeys(key for run in runs for key in run.values)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        cell(name)
        for name in [
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
        row = [run.name, *values, run.state, steps, *numbers, *(x for pair in bests for x in pair), *tail]
        writer.writerow(map(cell, row))
    return stream.getvalue()


def _best(metric: Metric, run: str) -> tuple[float | str, int | str]:
    if run not in metric.best:
        return "", ""
    return value_of(metric.best[run], metric.name), metric.best[run].step
