"""`toonforge plugins`: what became of each installed plugin, and why."""

from __future__ import annotations

import click

from toonforge import registries
from toonforge.cli.group import VERBS
from toonforge.cli.text import echo, hanging, heading, table

COLOURS = {"good": "green", "blocked": "yellow", "misfit": "yellow"}


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Print the traceback of broken plugins.")
def command(verbose: bool) -> None:
    """Tell what became of each plugin: good, broken, blocked, misfit, misnamed or duplicate.

    A broken plugin never breaks the rest: only its own names are missing. A misfit is not imported: by its own
    requirements it was made for other versions of toonforge.

    \b
    Examples:
      toonforge plugins
      toonforge plugins --verbose
      TOONFORGE_PLUGINS=cyclegan toonforge plugins
      toonforge -p no:samples plugins
    """
    registries.plugins.load()
    for record in registries.plugins.records:
        status = click.style(f"{record.status:<9}", fg=COLOURS.get(record.status, "red"))
        echo(f"{status}  {heading(record.name)}  {record.distribution} {record.version}  ({record.target})")
        if record.problem:
            echo(hanging(record.problem, " " * 11, " " * 11))
        rows = [(kind, ", ".join(map(heard, names))) for kind, names in record.supplies.items()]
        if rows:
            echo(table(rows, wrap=1, indent=11, colours=("bright_black",)))
        if verbose and record.detail:
            echo("\n".join(f"           {line}" for line in record.detail.rstrip().split("\n")))
    known = {record.name for record in registries.plugins.records}
    if strange := sorted((registries.plugins.allowed or frozenset()) - known):
        echo(f"\nTOONFORGE_PLUGINS names {', '.join(strange)}: not installed")
    if not verbose and any(record.detail for record in registries.plugins.records):
        echo("\ntracebacks: toonforge plugins --verbose")


def heard(name: str) -> str:
    """A name that is supplied; of a command, which alone has no namespace, also that a built-in one hides it."""
    return f"{name} (not reached: toonforge {name} is built in)" if name in VERBS else name
