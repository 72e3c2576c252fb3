"""The end of a sweep on the terminal: the comparison, where things lie, and what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from toonforge.cli.compare_table import show as show_table
from toonforge.cli.compare_table import show_files
from toonforge.sweeps.work import Done


def show(done: Done, folder: Path) -> None:
    """Print the comparison on stdout, then the files that hold it, then what to do next."""
    table = done.comparison.table
    finished = sum(row.state == "finished" for row in done.rows)
    click.echo("\n" + click.style(f"{done.comparison.title}: {finished} of {len(done.rows)} runs finished", bold=True))
    show_table(table)
    show_files(done.comparison)
    if finished < len(done.rows):
        command = click.style(f"toonforge sweep {shlex.quote(str(folder))} --resume", fg="green", bold=True)
        again = "  (tries failed runs again)" if table.failed else ""
        click.echo(f"\nnext: {command}{again}")
