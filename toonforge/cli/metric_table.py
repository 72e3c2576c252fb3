"""The table of metrics in a terminal: each number beside what it has to beat, and below it how it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import click

from toonforge.cli.text import hanging, width, with_error
from toonforge.events import About
from toonforge.runs.said import by_sayers
from toonforge.runs.verdict import lost

Values = Mapping[str, float]

COLUMNS = {"": "translated", "untranslated": "untranslated", "filter": "plain filter"}
"""Part of the results -> its column."""
LEFT = 2
"""Columns of words before those of numbers."""
PART = "    "
"""What a part of a metric's results, and what is said of them, begins with."""
BEATEN_BY = {"untranslated": "the untranslated", "filter": "the filter"}


def metric_lines(metrics: Mapping[str, Values], about: Mapping[str, About], corner: str = "metrics") -> list[str]:
    """A table of metrics, and what must be said of them.

    The best of a row is bold where one is better than another, and words say where a translation does not beat what
    stands beside it. Results besides the headline follow in rows of their own. Where a terminal is too narrow for the
    columns they stand below each other.

    Args:
        metrics: metric -> its results, as in `toonforge.events.Measured`.
        about: metric -> how its numbers were made; may lack some.
        corner: heading of the metrics' names.
    """
    columns = [part for part in COLUMNS if part == "" or any(part in results for results in metrics.values())]
    rows = [_Row.head(columns, corner)]
    for name, results in metrics.items():
        rows += _rows(name, results, about.get(name), columns)
    sizes = [max(len(row.cells[i]) for row in rows) for i in range(len(columns) + LEFT)]
    if sum(sizes) + 2 * (len(sizes) - 1) < width():
        lines = [line for row in rows for line in row.lines(sizes)]
    else:
        lines = [corner] if corner else []
        lines += [line for row in rows[1:] for line in row.stacked(rows[0].cells)]
    return [*lines, "", *said({name: what for name, what in about.items() if name in metrics})]


@attrs.frozen
class _Row:
    """Cells, which of them is bold, and what is said of them."""

    cells: list[str]
    bold: int | None = None
    note: str = ""

    @classmethod
    def head(cls, columns: list[str], corner: str) -> _Row:
        """Over a single column of numbers nothing has to be told from another."""
        return cls([corner, "better", *(COLUMNS[part] if len(columns) > 1 else "" for part in columns)])

    def lines(self, sizes: list[int]) -> list[str]:
        """The row, and what is said of it behind it, or below it where there is no room."""
        pairs = [*zip(self.cells, sizes, strict=True)]
        cells = [f"{cell:<{size}}" for cell, size in pairs[:LEFT]] + [f"{cell:>{size}}" for cell, size in pairs[LEFT:]]
        if self.bold is not None:
            cell = cells[self.bold]
            cells[self.bold] = cell[: len(cell) - len(cell.lstrip())] + click.style(cell.lstrip(), bold=True)
        line, note = "  ".join(cells).rstrip(), click.style(self.note, fg="yellow") if self.note else ""
        if sum(sizes) + 2 * len(sizes) + len(self.note) < width():
            return [f"{line}  {note}".rstrip()]
        return [line, *([f"{PART}{note}"] if note else [])]

    def stacked(self, head: list[str]) -> list[str]:
        """The row's cells below each other, each behind what stands over its column."""
        name, better, *values = self.cells
        if name.startswith(PART):
            return [f"{name}  {values[0]}"]
        lines, labels = [f"{name} ({better} is better)" if better else name], head[LEFT:]
        for column, (label, value) in enumerate(zip(labels, values, strict=True), LEFT):
            shown = click.style(value, bold=True) if column == self.bold else value
            lines.append(f"{PART}{label:<{max(map(len, labels)) + 2}}{shown}" if label else f"{PART}{shown}")
        return [*lines, *([hanging(click.style(self.note, fg="yellow"), PART, PART)] if self.note else [])]


def _rows(name: str, results: Values, about: About | None, columns: list[str]) -> list[_Row]:
    """The headline beside what it has to beat, and below it what else the metric says."""
    better = about.better if about is not None else None
    best = _best({part: results[part] for part in columns if part in results}, better)
    cells = [f"  {name}", better or "", *(value_text(results, part) for part in columns)]
    rows = [_Row(cells, None if best is None else LEFT + columns.index(best), lost(results, better, BEATEN_BY))]
    blank = [""] * (len(columns) - 1)
    rows += [
        _Row([f"{PART}{part.replace('_', ' ')}", "", value_text(results, part), *blank])
        for part in results
        if not _in_headline(part)
    ]
    return rows


def _in_headline(part: str) -> bool:
    """Whether a part stands in the headline's row, or beside a result as its error."""
    return part in COLUMNS or part == "std" or part.endswith("_std")


def _best(values: Values, better: str | None) -> str | None:
    """The part with the best value, where there are several and one is better."""
    numbers = {part: value for part, value in values.items() if not math.isnan(value)}
    if better is None or len(numbers) < 2 or len(set(numbers.values())) == 1:
        return None
    return (min if better == "lower" else max)(numbers, key=numbers.__getitem__)


def value_text(results: Values, part: str) -> str:
    """A result with its standard error where the metric gives one; "-" where it has no such result."""
    if part not in results:
        return "-"
    return with_error(results[part], results.get(f"{part}_std" if part else "std"))


def said(about: Mapping[str, About]) -> list[str]:
    """Protocols and cautions, wrapped; what several metrics say alike is said once, with all their names."""
    protocols = {name: what.protocol.split("; ") for name, what in about.items()}
    cautions = {name: what.cautions for name, what in about.items()}
    lines = [_paragraph(who, "; ".join(parts)) for who, parts in by_sayers(protocols)]
    lines += [
        _paragraph(who, click.style("caution", fg="yellow") + f": {part}")
        for who, parts in by_sayers(cautions)
        for part in parts
    ]
    return lines


def _paragraph(who: str, text: str) -> str:
    return hanging(f"{who}: {text}", "  ", "    ")
