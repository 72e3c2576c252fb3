"""The first line of a recipe that tells an editor where the schema lies."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

FILE = "toonforge.schema.json"
"""What the schema's file is called, in the folder that `toonforge` is called from."""
MARK = "#:schema"


def header_line(recipe: Path, schema: Path) -> str:
    """What Taplo reads: the schema's path as seen from the recipe's folder, or its URL on another drive.

    Args:
        recipe: the file that the line is for; it need not exist.
        schema: the schema's file, likewise.
    """
    try:
        path = Path(os.path.relpath(schema.absolute(), recipe.absolute().parent)).as_posix()
    except ValueError:  # another drive of Windows
        return f"{MARK} {schema.absolute().as_uri()}"
    return f"{MARK} {quote(path if path.startswith('.') else f'./{path}')}"


def with_header(text: str, line: str) -> str:
    """A recipe's text with this first line, in place of one that it has already."""
    first, _, rest = text.partition("\n")
    return f"{line}\n{rest if first.startswith(MARK) else text}"


def opening_comment(text: str) -> str:
    """The first line of a recipe's opening comment, without its mark; what is meant for editors is passed over."""
    for line in text.split("\n"):
        if not line.startswith("#:"):
            return line.lstrip("#").strip() if line.startswith("#") else ""
    return ""
