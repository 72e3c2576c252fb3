"""`toonforge plugins`: what became of each installed plugin, and why."""

from __future__ import annotations

import click

from toonforge import registries
from toonforge.cli import completing
from toonforge.cli.group import VERBS
from toonforge.cli.text import echo, hanging, heading, table
from toonforge.errors import PluginError
from toonforge.plugins.fit import CORE
from toonforge.plugins.loader import unknown_plugins

COLOURS = {"good": "green", "blocked": "yellow", "misfit": "yellow"}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completing.plugins)
@click.option("-v", "--verbose", is_flag=True, help="Print the traceback of broken plugins.")
def command(names: tuple[str, ...], verbose: bool) -> None:
    """Tell what became of each plugin: good, broken, blocked, misfit, misnamed or duplicate.

    A broken plugin never breaks the rest: only its own names are missing. A misfit is not imported: by its own
    requirements it was made for other versions of toonforge. With NAMEs, of these alone.

    \b
    Examples:
      toonforge plugins
      toonforge plugins cyclegan pix2pix
      toonforge plugins --verbose
      TOONFORGE_PLUGINS=cyclegan toonforge plugins
      toonforge -p no:samples plugins
    """
    registries.plugins.load()
    known = registries.plugins.records
    if problems := unknown_plugins([name for name in names if name != CORE], known):
        raise PluginError(*problems)
    shown = [record for record in known if record.name in names] if names else known
    for record in shown:
        status = click.style(f"{record.status:<9}", fg=COLOURS.get(record.status, "red"))
        echo(f"{status}  {heading(record.name)}  {record.distribution} {record.version}  ({record.target})")
        if record.problem:
            echo(hanging(record.problem, " " * 11, " " * 11))
        rows = [(kind, ", ".join(map(heard, names))) for kind, names in record.supplies.items()]
        if rows:
            echo(table(rows, wrap=1, indent=11, colours=("bright_black",)))
        if verbose and record.detail:
            echo("\n".join(f"           {line}" for line in record.detail.rstrip().split("\n")))
    if strange := sorted((registries.plugins.allowed or frozenset()) - {record.name for record in known}):
        echo(f"\nTOONFORGE_PLUGINS names {', '.join(strange)}: not installed")
    if not verbose and any(record.detail for record in shown):
        echo("\ntracebacks: toonforge plugins --verbose")


def heard(name: str) -> str:
    """A name that is supplied; of a command, which alone has no namespace, also that a built-in one hides it."""
    return f"{name} (not reached: toonforge {name} is built in)" if name in VERBS else name
