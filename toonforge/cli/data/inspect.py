"""`toonforge data inspect`: look through folders of pictures before training on them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from toonforge.cli.data.common import EXAMPLES, force_option, run, workers_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toonforge.prepare.engine.work import Progress, Report
    from toonforge.prepare.inspection.finding import Finding
    from toonforge.prepare.verbs.inspect import Inspection


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to; FOLDER-inspection when left out."
)
@click.option(
    "--min-side",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Short side, in pixels, below which pictures are called small: that of training.",
)
@workers_option
@force_option
def command(folders: tuple[Path, ...], out: Path | None, min_side: int, workers: int | None, force: bool) -> int:
    """Look through folders of pictures: what would training suffer from?

    Counts formats, sizes and tones; finds damaged, grey, blurred and letterboxed pictures and duplicates; and, of two
    folders or more, says where they differ in ways that are no style. Writes a page, report.html, a contact sheet and
    the figures of every picture, manifest.csv. Run again, it measures only what has changed.

    \b
    Examples:
      toonforge data inspect photos
      toonforge data inspect data/photo data/cartoon -o inspection
      toonforge data inspect photos --min-side 128
    """
    from toonforge.prepare.verbs.inspect import inspect

    found: list[Inspection] = []

    def call(progress: Progress) -> Report:
        found.append(inspect(folders, out, min_side=min_side, workers=workers, force=force, progress=progress))
        # The findings name what cannot be read; where there are none, since it was stopped, the summary does.
        return _without_reasons(found[-1]) if found[-1].findings else found[-1]

    code = run(call)
    if found[-1].findings:
        show(found[-1])
    return code


def _without_reasons(report: Report) -> Report:
    return attrs.evolve(report, rows=tuple(attrs.evolve(row, reason="") for row in report.rows))


COLOURS = {"mend": "red", "look at": "yellow", "fine": "green"}


def show(inspection: Inspection) -> None:
    """Print the folders' figures and the findings on stdout, and where the page is."""
    from rich.console import Console

    from toonforge.cli.text import width
    from toonforge.data.reading.picture import shown

    console = Console(file=sys.stdout, width=width(), highlight=False)
    for columns in _chunks(inspection, width()):
        click.echo("")
        console.print(_table(inspection, columns))
    click.echo("")
    fine = 0
    for finding in inspection.findings:
        if finding.severity == "fine":
            fine += 1
        else:
            click.echo(_line(finding, len(inspection.labels) > 1))
            if finding.kind == "unreadable":
                _name_some(finding)
    click.echo(
        click.style(f"{'fine':<9}", fg=COLOURS["fine"])
        + f"{fine} {'other ' * (fine < len(inspection.findings))}things that were looked for"
    )
    click.echo("")
    commands = dict.fromkeys(finding.command for finding in inspection.findings if finding.command)
    for number, words in enumerate(commands):
        click.echo(f"{'' if number else 'helps:':<15}{click.style(words, fg='green')}")
    for what, path in (("report", inspection.page), ("contact sheet", inspection.sheet)):
        click.echo(f"{what + ':':<15}{shown(path)}")


def _line(finding: Finding, several: bool) -> str:
    from toonforge.cli.text import hanging
    from toonforge.prepare.inspection.finding import printable

    head = click.style(f"{finding.severity:<9}", fg=COLOURS[finding.severity], bold=True)
    where = f"{', '.join(finding.folders)}: " if several and not finding.names_folders else ""
    return hanging(printable(where + finding.title), head, " " * 9)


def _name_some(finding: Finding) -> None:
    """The files that cannot be read, and why."""
    from toonforge.cli.text import hanging
    from toonforge.prepare.inspection.finding import printable

    for line in finding.lines[:EXAMPLES]:
        click.echo(hanging(printable(line), " " * 11, " " * 13))
    if len(finding.lines) > EXAMPLES:
        click.echo(f"{'':<11}and {len(finding.lines) - EXAMPLES:,} more, in the report")


def _chunks(inspection: Inspection, room: int) -> list[list[int]]:
    """Which folders stand beside each other: as many as there is room for."""
    brief = [line for line in inspection.table if line.brief]
    used = first = max(len(line.label) for line in brief)
    chunks: list[list[int]] = [[]]
    for index, label in enumerate(inspection.labels):
        needed = 3 + max(min(len(label), _LABEL), *(len(line.cells[index]) for line in brief))
        if chunks[-1] and used + needed > room:
            chunks.append([])
            used = first
        chunks[-1].append(index)
        used += needed
    return chunks


_LABEL = 24
"""Characters of a folder's name on one line of the table's head."""


def _table(inspection: Inspection, columns: list[int]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from toonforge.prepare.inspection.finding import printable

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, header_style="bold")
    grid.add_column("")
    for index in columns:
        label = Text(printable(inspection.labels[index]))
        grid.add_column(label, justify="right", overflow="fold", max_width=_LABEL)
    for line in inspection.table:
        if line.brief:
            grid.add_row(Text(line.label, style="dim"), *(Text(line.cells[index]) for index in columns))
    return grid
