"""The comparison of a sweep as a table: which columns, which value is best, and its files `table.md`, `table.csv`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.files import write_atomic
from toonforge.runs.folder import writing
from toonforge.sweeps.plan import Plan
from toonforge.sweeps.results import Row

BASELINE, ERROR = ("baseline", "baseline_std"), ("std", "baseline_std")


@attrs.frozen(kw_only=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        cells: one a row.
        best: rows that hold the best value.
        kind: "value" of an axis, "state", "metric", "part" of a metric, "cost", or "folder".
        lower_is_better: the direction of a metric; None for every other column.
    """

    title: str
    cells: tuple[str, ...]
    kind: str
    best: frozenset[int] = frozenset()
    lower_is_better: bool | None = None


@attrs.frozen(kw_only=True)
class Table:
    """A comparison.

    Attributes:
        columns: from left to right.
        failed: which runs failed, and why.
        notes: what must be known to read the values.
        protocols: how each metric is measured.
    """

    columns: tuple[Column, ...]
    failed: tuple[str, ...]
    notes: tuple[str, ...]
    protocols: tuple[str, ...]


def make_table(plan: Plan, rows: Sequence[Row]) -> Table:
    """The comparison of the runs as they stand."""
    columns = [
        Column(title=axis.label, kind="value", cells=tuple(row.values[axis.label] for row in rows))
        for axis in plan.axes
    ]
    if any(row.state != "finished" for row in rows):
        columns.append(Column(title="state", kind="state", cells=tuple(row.state for row in rows)))
    notes: list[str] = []
    protocols = {metric: _protocols(plan, metric) for metric in _metrics(rows)}
    for metric, parts in _metrics(rows).items():
        alike = len(protocols[metric]) < 2
        if not alike:
            notes.append(f"{metric} is measured in different ways in these runs: its values do not compare")
        columns += _metric_columns(plan, rows, metric, parts, alike, notes)
    costs = {
        "images/s": tuple("-" if row.images_per_second is None else f"{row.images_per_second:.3g}" for row in rows),
        "time": tuple("-" if row.seconds is None else clock(row.seconds) for row in rows),
        "memory": tuple("-" if row.memory is None else size(row.memory) for row in rows),
    }
    columns += [Column(title=title, kind="cost", cells=cells) for title, cells in costs.items()]
    columns.append(Column(title="folder", kind="folder", cells=tuple(row.name for row in rows)))
    return Table(
        columns=tuple(columns),
        failed=tuple(f"{row.name} failed: {row.problem}" for row in rows if row.problem is not None),
        notes=tuple(notes),
        protocols=tuple(f"{metric}: {text}" for metric, found in protocols.items() for text in found if text),
    )


def _metrics(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Metric -> its parts ("" for the headline) over all rows, in the order first seen."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for key in row.metrics:
            metric, _, part = key.partition(".")
            parts = found.setdefault(metric, [])
            if part not in parts:
                parts.append(part)
    return found


def _protocols(plan: Plan, metric: str) -> list[str]:
    """How the metric is measured, each way once."""
    known = [run.recipe.metrics[metric].protocol() for run in plan.runs if metric in run.recipe.metrics]
    return list(dict.fromkeys(known))


def _metric_columns(
    plan: Plan, rows: Sequence[Row], metric: str, parts: Sequence[str], alike: bool, notes: list[str]
) -> list[Column]:
    columns = []
    if "" in parts:
        lower = next((r.recipe.metrics[metric].lower_is_better for r in plan.runs if metric in r.recipe.metrics), None)
        values = [row.metrics.get(metric) for row in rows]
        columns.append(
            Column(
                title=metric,
                kind="metric",
                cells=tuple(_cell(row.metrics, metric, "std") for row in rows),
                best=best(values, lower) if alike and lower is not None else frozenset(),
                lower_is_better=lower,
            )
        )
    shown = [part for part in parts if part and part not in (*BASELINE, *ERROR)]
    baselines = {_cell(row.metrics, f"{metric}.baseline", "baseline_std") for row in rows if row.metrics}
    if "baseline" in parts and len(baselines) == 1:
        notes.append(f"{metric} of the untranslated pictures: {baselines.pop()}")
    elif "baseline" in parts:
        cells = tuple(_cell(row.metrics, f"{metric}.baseline", "baseline_std") for row in rows)
        columns.append(Column(title=f"{metric} untranslated", kind="part", cells=cells))
    for part in shown:
        if part.endswith("_std") and part.removesuffix("_std") in shown:
            continue
        cells = tuple(_cell(row.metrics, f"{metric}.{part}", f"{part}_std") for row in rows)
        columns.append(Column(title=f"{metric} {part}", kind="part", cells=cells))
    return columns


def best(values: Sequence[float | None], lower_is_better: bool) -> frozenset[int]:
    """Where the best value stands; nowhere while fewer than two values compare."""
    known = {i: value for i, value in enumerate(values) if value is not None and math.isfinite(value)}
    if len(known) < 2:
        return frozenset()
    winner = (min if lower_is_better else max)(known.values())
    return frozenset(i for i, value in known.items() if value == winner)


def _cell(metrics: Mapping[str, float], key: str, error_part: str) -> str:
    if key not in metrics:
        return "-"
    error = metrics.get(f"{key.partition('.')[0]}.{error_part}", math.nan)
    return number(metrics[key]) + (f" ± {error:.2g}" if math.isfinite(error) else "")


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def clock(seconds: float) -> str:
    """ "4.2 s", from ten seconds on "3:12", from an hour on "1:03:12"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def size(count: int) -> str:
    """Bytes as MiB, or GiB from one on."""
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def direction(column: Column) -> str:
    """ "lower is better", "higher is better" or nothing."""
    return {True: "lower is better", False: "higher is better", None: ""}[column.lower_is_better]


def markdown(table: Table, title: str) -> str:
    """The table as Markdown: the best values bold, folders as links, notes below."""
    heads = [f"{column.title} ({direction(column)})" if direction(column) else column.title for column in table.columns]
    lines = [f"# {title}", "", _md_row(heads), _md_row(["---:" if c.kind in _RIGHT else "---" for c in table.columns])]
    for index in range(len(table.columns[0].cells)):
        lines.append(_md_row([_md_cell(column, index) for column in table.columns]))
    notes = [*table.failed, *table.notes, *table.protocols]
    lines += ["", *(f"- {_escaped(note)}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"


_RIGHT = ("metric", "part", "cost")


def _md_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md_cell(column: Column, index: int) -> str:
    text = _escaped(column.cells[index])
    if column.kind == "folder":
        return f"[{text}](<{column.cells[index]}/>)"
    return f"**{text}**" if index in column.best else text


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def comma_separated(plan: Plan, rows: Sequence[Row]) -> str:
    """Everything known of every run, numbers in full."""
    metrics = list(dict.fromkeys(key for row in rows for key in row.metrics))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    heads = [axis.key for axis in plan.axes]
    rest = ["images_per_second", "seconds", "memory_bytes", "folder", "problem"]
    writer.writerow(["run", *heads, "state", "step", *metrics, *rest])
    for row in rows:
        values = [row.values[axis.label] for axis in plan.axes]
        numbers = [row.metrics.get(metric, "") for metric in metrics]
        costs = [row.images_per_second, row.seconds, row.memory]
        tail = [*("" if cost is None else cost for cost in costs), row.folder.as_posix(), row.problem or ""]
        writer.writerow([row.name, *values, row.state, row.step, *numbers, *tail])
    return stream.getvalue()


def write_table(folder: Path, plan: Plan, rows: Sequence[Row]) -> None:
    """Write `table.md` and `table.csv` anew, each whole or not at all."""
    with writing(folder):
        write_atomic(folder / "table.md", markdown(make_table(plan, rows), plan.name))
        write_atomic(folder / "table.csv", comma_separated(plan, rows))
