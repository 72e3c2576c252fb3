"""`base.toml` of a run: the recipe that its own extends, as it was then, so that what the run changes can be told."""

from __future__ import annotations

from pathlib import Path

import tomli

from toonforge.errors import ToonforgeError
from toonforge.files import write_atomic
from toonforge.recipe.loading import load
from toonforge.recipe.resolved import dump

NAME = "base.toml"


def write_base(folder: Path, source: Path) -> None:
    """Write the base of the recipe in `source`, every default filled in.

    Nothing is written for a recipe that extends none, or one that is no whole recipe by itself.
    """
    try:
        extends = tomli.loads(source.read_text("utf-8")).get("extends")
        if extends is None:
            return
        beside = source.parent / str(extends)
        text = dump(load(beside if beside.is_file() else str(extends)))
    except (ToonforgeError, ValueError):
        return
    write_atomic(folder / NAME, text)
