"""The end of a sweep on the terminal: the comparison, as wide as there is room for, and where things lie."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toonforge.cli.text import width
from toonforge.sweeps.plan import Plan
from toonforge.sweeps.table import Column, Table, make_table
from toonforge.sweeps.work import Done

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

DROPPED_FIRST = ("folder", "memory", "images/s", "time")
"""Columns that a narrow terminal goes without, one after the other; the files hold them all."""
MARK = " *"


def show(plan: Plan, done: Done, folder: Path) -> None:
    """Print the comparison on stdout, then the files that hold it, then what to do next."""
    from rich.console import Console

    table = make_table(plan, done.rows)
    console = Console(file=sys.stdout, width=width(), highlight=False)
    finished = sum(row.state == "finished" for row in done.rows)
    click.echo("\n" + click.style(f"{plan.name}: {finished} of {len(done.rows)} runs finished", bold=True))
    console.print(rendered(table, width()))
    for note in table.failed:
        console.print(note, style="red", markup=False)
    for note in table.notes:
        console.print(note, style="dim", markup=False)
    click.echo("")
    for number, path in enumerate(done.files):
        click.echo(f"{'comparison:' if number == 0 else '':<12}{path}")
    for note in done.notes:
        click.echo(f"note: {note}")
    if finished < len(done.rows):
        command = click.style(f"toonforge sweep {folder} --resume", fg="green", bold=True)
        again = "  (tries failed runs again)" if table.failed else ""
        click.echo(f"\nnext: {command}{again}")


def rendered(table: Table, room: int) -> RenderableType:
    """The table without the columns that do not fit; one block a run where even the rest is too wide."""
    everything = [column for column in table.columns if column.kind != "folder"]
    columns = list(table.columns)
    for title in DROPPED_FIRST:
        if needed(columns) > room:
            columns = [column for column in columns if column.title != title]
    return as_table(columns) if needed(columns) <= room else as_blocks(everything)


def head(column: Column) -> str:
    """A heading with an arrow towards better values."""
    return column.title + {True: " ↓", False: " ↑", None: ""}[column.lower_is_better]


def cell(column: Column, index: int) -> str:
    """A value, marked where it is the best."""
    return column.cells[index] + (MARK if index in column.best else "")


def needed(columns: list[Column]) -> int:
    """How many columns of a terminal the table takes."""
    return sum(3 + max(len(head(c)), *(len(cell(c, i)) for i in range(len(c.cells)))) for c in columns) - 3


def as_table(columns: list[Column]) -> RenderableType:
    """Rows of runs."""
    from rich import box
    from rich.table import Table as Rich
    from rich.text import Text

    grid = Rich(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(Text(head(column)), justify="left" if column.kind in ("value", "state", "folder") else "right")
    for index in range(len(columns[0].cells)):
        # Where some values carry the mark, the others keep its place, so that the digits line up.
        grid.add_row(*(_styled(column, index, pad=bool(column.best)) for column in columns))
    return grid


def as_blocks(columns: list[Column]) -> RenderableType:
    """One block a run: its values, and each result on a line."""
    from rich.console import Group
    from rich.text import Text

    values = [column for column in columns if column.kind == "value"]
    others = [column for column in columns if column.kind != "value"]
    size = max(len(head(column)) for column in others)
    parts: list[Text] = []
    for index in range(len(columns[0].cells)):
        parts.append(Text(", ".join(f"{column.title}={column.cells[index]}" for column in values), style="bold"))
        parts += [Text(f"  {head(column):<{size}}  ") + _styled(column, index) for column in others]
    return Group(*parts)


def _styled(column: Column, index: int, pad: bool = False) -> Text:
    from rich.text import Text

    if index in column.best:
        return Text(cell(column, index), style="bold green")
    text = column.cells[index] + (" " * len(MARK) if pad else "")
    failed = column.kind == "state" and column.cells[index] == "failed"
    return Text(text, style="bold red" if failed else "cyan" if column.kind == "value" else "")
