"""A comparison on the terminal: the table as wide as there is room for, then what must be known to read it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from toonforge.cli.metric_table import said
from toonforge.cli.text import hanging, width
from toonforge.report.compare_table import Column, Table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from toonforge.report.comparison import Comparison

MARK = " *"


def show(table: Table) -> None:
    """Print a comparison on stdout."""
    from rich.console import Console

    Console(file=sys.stdout, width=width(), highlight=False).print(rendered(table, width()))
    shown = fitting(table, width())
    missing = [column.title for column in table.columns if column not in shown and column.title != "folder"]
    if missing:
        click.echo(click.style(hanging(f"for want of room without: {', '.join(missing)}"), dim=True))
    for note in table.failed:
        click.echo(click.style(hanging(note), fg="red"))
    for note in table.verdicts:
        click.echo(click.style(hanging(note), fg="yellow"))
    for note in table.notes:
        click.echo(click.style(hanging(note), dim=True))
    for note in said(table.how):
        click.echo(click.style(note, dim=True))


def show_files(done: Comparison) -> None:
    """Print what was written, and what could not be."""
    page, *others = done.files
    click.echo(f"\ncomparison: {page}")
    if others:
        click.echo(hanging(f"beside it: {', '.join(path.name for path in others)}", "", " " * 12))
    for note in done.notes:
        click.echo(hanging(f"note: {note}"))


def rendered(table: Table, room: int) -> RenderableType:
    """The table without the columns that do not fit; one block a run where even the rest is too wide."""
    columns = fitting(table, room)
    return as_table(columns, table.runs) if needed(columns) <= room else as_blocks(columns, table.runs)


def fitting(table: Table, room: int) -> list[Column]:
    """The columns that a terminal has room for; all where even the most needed are too wide to stand side by side."""
    columns = list(table.columns)
    for column in _dispensable(table):
        if needed(columns) <= room:
            break
        columns.remove(column)
    return columns if needed(columns) <= room else list(table.columns)


def _dispensable(table: Table) -> list[Column]:
    """Columns that a narrow terminal goes without, one after the other; the files hold them all."""
    by_title = {column.title: column for column in table.columns if column.kind == "cost"}
    values = [column for column in table.columns[1:] if column.kind == "value"]
    found = [column for column in table.columns[1:] if column.kind == "run"]
    found += [column for column in reversed(table.columns) if column.kind == "part"]
    found += [by_title[title] for title in ("memory", "images/s") if title in by_title]
    found += [column for column in reversed(table.columns) if column.kind == "best"]
    found += [column for column in values if max(map(len, column.cells)) > 16]
    found += [by_title["time"]] if "time" in by_title else []
    found += [column for column in reversed(values) if column not in (*found, table.columns[0])]
    return found


def head(column: Column) -> str:
    """A heading with an arrow towards better values."""
    return column.title + {"lower": " ↓", "higher": " ↑", None: ""}[column.better]


def cell(column: Column, index: int) -> str:
    """A value, marked where it is the best."""
    return column.cells[index] + (MARK if index in column.best else "")


def needed(columns: Sequence[Column]) -> int:
    """How many columns of a terminal the table takes."""
    return sum(3 + max(len(head(c)), *(len(cell(c, i)) for i in range(len(c.cells)))) for c in columns) - 3


def as_table(columns: Sequence[Column], runs: int) -> RenderableType:
    """Rows of runs, a line, and rows of references."""
    from rich import box
    from rich.table import Table as Rich
    from rich.text import Text

    grid = Rich(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(Text(head(column)), justify="left" if column.kind in ("run", "value", "state") else "right")
    for index in range(len(columns[0].cells)):
        # Where some values carry the mark, the others keep its place, so that the digits line up.
        cells = (_styled(column, index, runs, pad=bool(column.best)) for column in columns)
        grid.add_row(*cells, end_section=index == runs - 1)
    return grid


def as_blocks(columns: Sequence[Column], runs: int) -> RenderableType:
    """One block a run: its name, and each value on a line."""
    from rich.console import Group
    from rich.text import Text

    name, *others = columns
    size = max(len(head(column)) for column in others)
    parts: list[Text] = []
    for index in range(len(name.cells)):
        parts.append(_styled(name, index, runs))
        filled = [column for column in others if column.cells[index] not in ("", "-")]
        parts += [Text(f"  {head(column):<{size}}  ") + _styled(column, index, runs) for column in filled]
    return Group(*parts)


def _styled(column: Column, index: int, runs: int, pad: bool = False) -> Text:
    from rich.text import Text

    if index in column.best:  # the best of the runs is no success where it beats nothing
        return Text(cell(column, index), style="bold yellow" if index in column.lost else "bold green")
    text = column.cells[index] + (" " * len(MARK) if pad else "")
    if index >= runs:
        return Text(text, style="dim italic")
    failed = column.kind == "state" and column.cells[index] == "failed"
    styles = {"run": "bold", "value": "cyan"}
    return Text(text, style="bold red" if failed else styles.get(column.kind, ""))
