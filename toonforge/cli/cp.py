"""`toonforge cp`: a packaged recipe as a file of one's own."""

from __future__ import annotations

import os
from pathlib import Path

import click

from toonforge import registries
from toonforge.cli import completing
from toonforge.cli.text import echo
from toonforge.errors import Problem, ToonforgeError
from toonforge.recipe.compose import read_file
from toonforge.recipe.schema.header import FILE, header_line, with_header


@click.command()
@click.argument("recipe", shell_complete=completing.packaged)
@click.argument("dest", required=False, type=click.Path(path_type=Path))
def command(recipe: str, dest: Path | None) -> None:
    """Copy a packaged recipe to DEST, to edit it. `toonforge list recipes` names them.

    DEST is a file or a folder; the current folder when left out. A file that is there is never overwritten. The copy's
    first line tells editors of the schema that toonforge schema writes here.

    \b
    Examples:
      toonforge cp cyclegan/cyclegan
      toonforge cp cyclegan/cyclegan recipes/mine.toml
    """
    if recipe not in registries.recipes and Path(recipe).is_file():
        raise ToonforgeError(
            Problem(
                message=f"{recipe} is a file, not a packaged recipe",
                expected=f"one of {', '.join(registries.recipes)}",
                hint=f'copy it as any file; or begin one of your own with: extends = "{recipe}"',
            )
        )
    source = Path(str(registries.recipes[recipe]))
    target = Path(f"{recipe.rsplit('/', 1)[-1]}.toml") if dest is None else dest
    if os.path.isdir(target):
        target = target / source.name
    text = with_header(read_file(source).decode("utf-8", "replace"), header_line(target, Path(FILE)))
    try:
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise ToonforgeError(
            Problem(message=f"{target} is there already", hint="give another DEST, or remove the file first")
        ) from None
    except OSError as error:
        hint = f"make the folder {target.parent} first" if isinstance(error, FileNotFoundError) else None
        raise ToonforgeError(Problem(message=f"cannot write {target}", found=error.strerror, hint=hint)) from None
    echo(f"{recipe} -> {target}\nedit it, then: toonforge check {target}")
