"""`toonforge schema`: what an editor has to know to help with recipes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from toonforge.cli.text import echo
from toonforge.errors import Problem, ToonforgeError
from toonforge.files import write_atomic
from toonforge.recipe.schema import FILE, TITLE, header_line, recipe_schema_text
from toonforge.registries import plugins


@click.command()
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help=f"The file; {FILE} in this folder when left out, - prints it."
)
def command(out: Path | None) -> None:
    """Write the JSON Schema of recipes, for editors: completion, what keys mean, mistakes underlined.

    It is of all components that are installed: write it anew when a plugin has come or gone. Editors with Taplo (in VS
    Code the extension Even Better TOML) read it for each recipe that names it in its first line, as the recipes of this
    repository and the copies of toonforge cp do.

    \b
    Examples:
      toonforge schema
      toonforge schema --out recipes/toonforge.schema.json
      taplo lint recipes/*.toml
    """
    text = recipe_schema_text()
    if out is not None and str(out) == "-":
        echo(text.rstrip("\n"))
        return
    file = out or Path(FILE)
    if os.path.isdir(file):  # pathlib raises where a folder above may not be entered
        file = file / FILE
    _refuse_other(file)
    try:
        write_atomic(file, text)
    except OSError as error:
        raise ToonforgeError(
            Problem(message=f"cannot write {file}", found=error.strerror, hint="give another file with --out")
        ) from None
    echo(f"{file}: {_counted(text)}")
    echo(f"first line of a recipe beside it:  {header_line(file.with_name('recipe.toml'), file)}")


def _counted(text: str) -> str:
    typed = [registry for kind, registry in plugins.registries.items() if kind != "ops"]  # called, and no tables
    return f"{sum(map(len, typed))} components of {len(typed)} kinds, {len(text.encode()) / 1000:.0f} kB"


def _refuse_other(file: Path) -> None:
    """Raise `ToonforgeError` for a file that is there and no schema of ours: nothing of the user's is overwritten."""
    if not os.path.exists(file):
        return
    try:
        known = json.loads(file.read_text("utf-8")).get("title") == TITLE
    except (OSError, ValueError, AttributeError):
        known = False
    if not known:
        raise ToonforgeError(
            Problem(message=f"{file} is there already, and is no schema of recipes", hint="give another --out")
        )
