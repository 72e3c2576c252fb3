"""`toonforge plugin new`: a plugin's package to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from toonforge.cli.text import echo, table
from toonforge.scaffold.kinds import KINDS

ALL = "all"


@click.command()
@click.argument("name")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([*KINDS, ALL]),
    help="What to begin with; may be repeated, or all. A generator where left out.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The folder to make; toonforge-NAME when left out.")
def command(name: str, kinds: tuple[str, ...], out: Path | None) -> None:
    """Begin a plugin: write a package whose components are named NAME/… in recipes.

    It holds one working example of each KIND, a recipe that trains them in seconds on made-up pictures, tests, settings
    for pytest, mypy and ruff, and a file for continuous integration. A generator and a recipe are always there, since a
    plugin is best tried by training. A folder that is there is never written into.

    \b
    Examples:
      toonforge plugin new ink-lines
      toonforge plugin new ink-lines --kind loss --kind op
      toonforge plugin new ink-lines --kind all --out my-plugin
    """
    from toonforge import __version__, registries
    from toonforge.cli.group import VERBS
    from toonforge.scaffold import Package, refuse_name, write

    registries.plugins.load()
    refuse_name(name, registries.plugins.records, [*VERBS])
    package = Package(name=name, kinds=KINDS if ALL in kinds else kinds or ("generator",), version=__version__)
    folder = Path(package.distribution) if out is None else out
    write(package, folder)
    echo(f"{folder}: the plugin {name}, a package called {package.distribution}\n")
    rows = [(row["file"], f"{row['what']}: {row['name'].strip('`')}".removesuffix(": —")) for row in package.supplies()]
    echo(table([*rows, ("tests/test_conformance.py", "what toonforge promises of each, as tests")], wrap=1))
    echo(f'\nnext:\n  cd {shlex.quote(str(folder))}\n  pip install -e ".[dev]"\n  toonforge run {name}/first\n  pytest')
    echo("\nthen: edit the examples. README.md there says how to test and publish it.")
