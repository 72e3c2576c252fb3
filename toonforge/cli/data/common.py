"""What the verbs of `toonforge data` share: options, how a verb is run, and the summary of what it did.

A verb's command parses, calls its function of the library inside `run`, and returns what that returns:

    @click.command()
    @click.argument("source", type=click.Path(path_type=Path))
    @out_option("cartoonized")
    @workers_option
    @force_option
    def command(source: Path, out: Path | None, workers: int | None, force: bool) -> int:
        from toonforge.prepare.verbs.cartoonize import cartoonize

        return run(lambda progress: cartoonize(source, out, workers=workers, force=force, progress=progress))
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from toonforge.prepare.engine.work import Progress, Report, Row

Command = TypeVar("Command", bound=Callable[..., Any])

EXAMPLES = 3
"""Files that the summary names of each action that has reasons."""


def out_option(suffix: str) -> Callable[[Command], Command]:
    """`-o/--out`, None when left out: the verb's function knows where."""
    text = f"Folder to write to; SOURCE-{suffix}, beside SOURCE, when left out."
    return click.option("-o", "--out", type=click.Path(path_type=Path), help=text)


def workers_option(command: Command) -> Command:
    """`--workers`, None when left out."""
    text = "Processes at work at once; one a processor when left out."
    return click.option("--workers", type=click.IntRange(min=1), metavar="N", help=text)(command)


def force_option(command: Command) -> Command:
    """`--force`."""
    text = "Begin anew, also with other settings: what this command wrote there before is removed."
    return click.option("--force", is_flag=True, help=text)(command)


def prune_option(command: Command) -> Command:
    """`--prune`."""
    text = "Remove what was made of files that are gone; it is kept otherwise."
    return click.option("--prune", is_flag=True, help=text)(command)


def link_option(command: Command) -> Command:
    """`--link`."""
    text = "Hard links in place of copies, where the disk allows it: no room taken, but editing one edits both."
    return click.option("--link", is_flag=True, help=text)(command)


def run(call: Callable[[Progress], Report], noun: str = "picture", piece: str | None = None) -> int:
    """Run a verb with its progress shown, print the summary, return the exit code.

    0: done. 1: something failed that should not have. 2: nothing was readable. 130: stopped.

    Args:
        call: the verb's function, given where progress goes.
        noun: what is written, in the singular.
        piece: what there is progress of, where that is something else.
    """
    from toonforge.cli.data.bar import Bar

    for line in _warnings():
        click.echo(line, err=True)
    with Bar(piece or noun) as bar:
        report = call(bar)
    show(report, noun, piece or noun)
    if report.stopped:
        click.echo(f"go on with: {click.style(again(), fg='green', bold=True)}", err=True)
        return 130
    if report.counts.get("failed"):
        return 1
    return 2 if report.total and report.counts.get("unreadable") == report.total else 0


SOURCES = ("source", "sources", "first", "second")
"""Arguments of verbs that are folders of pictures to read. (Those of `inspect` are not: its findings tell more.)"""


def _warnings() -> Iterator[str]:
    """Of each folder that is read: a line where what was put aside would be read again with what was kept."""
    from toonforge.prepare.quality.outputs import warning

    given = click.get_current_context().params
    for name in SOURCES:
        value = given.get(name, ())
        folders = [value] if isinstance(value, Path) else value
        yield from filter(None, map(warning, folders))


def again() -> str:
    """The command that was given, to go on with: without --force, which would begin anew."""
    given = click.get_current_context().find_root().obj or []
    return shlex.join(["toonforge", *(word for word in given if word != "--force")])


def show(report: Report, noun: str = "picture", piece: str = "picture") -> None:
    """Print how many were written, how many there are of each action, why, and where the manifest is."""
    if report.stopped:
        how_far = f" after {report.total - report.left:,} of {_some(report.total, piece)}"
        click.echo(click.style("stopped", fg="yellow", bold=True) + how_far, err=True)
    elif report.written or not report.total:
        click.echo(f"{click.style(_some(report.written, noun), bold=True)} in {_shown(report.out)}")
    else:
        click.echo(f"{click.style(_some(report.total, piece), bold=True)} looked at")
    size = max(map(len, report.counts), default=0)
    digits = max((len(f"{number:,}") for number in report.counts.values()), default=0)
    for action, number in report.counts.items():
        colour = {"unreadable": "yellow", "failed": "red"}.get(action)
        click.echo(f"  {click.style(f'{action:<{size}}', fg=colour)}  {number:>{digits},}")
        rows = [row for row in report.rows if row.action == action and row.reason]
        for row in rows[:EXAMPLES]:
            click.echo(_example(row, size + digits + 6))
        if len(rows) > EXAMPLES:
            click.echo(" " * (size + digits + 6) + f"and {len(rows) - EXAMPLES:,} more")
    if report.gone:
        are = "is of a file that is" if len(report.gone) == 1 else "are of files that are"
        click.echo(f"{len(report.gone):,} {are} no longer there: kept; --prune removes what was made of them")
    if report.changed:
        click.echo(_changed(report.changed))
    if report.rows:
        click.echo(f"what became of each: {_shown(report.out / 'manifest.csv')}")
    if report.counts.get("failed"):
        click.echo("What failed is tried again when the same command is run again.", err=True)


def _example(row: Row, indent: int) -> str:
    from toonforge.cli.text import hanging

    return hanging(f"{_shown(row.source)}: {row.reason}", " " * indent, " " * (indent + 2))


def _changed(outputs: tuple[str, ...]) -> str:
    count = len(outputs)
    named = ", ".join(map(_shown, outputs[:EXAMPLES])) + (", …" if len(outputs) > EXAMPLES else "")
    if count == 1:
        return f"1 output was changed since it was made: {named}. It stays; delete it to have it made again"
    told = f"{count:,} outputs were changed since they were made: {named}."
    return f"{told} They stay; delete them to have them made again"


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _shown(path: str | Path) -> str:
    """As text on one line, that no terminal takes for commands."""
    from toonforge.prepare.engine.manifest import one_line

    return one_line(os.fspath(path))
