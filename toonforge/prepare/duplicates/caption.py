"""What a file is called under its picture on a sheet."""

from __future__ import annotations

from toonforge.data.lettering import can_draw
from toonforge.prepare.engine.manifest import CSV

FIRST_LINE = 2
"""Number of the first file's row in manifest.csv, as a spreadsheet counts: below the header."""


def caption(name: str, line: int | None = None) -> str:
    """The name, where the fonts of this machine have its letters; else the row of the manifest in which it stands."""
    return name if line is None or can_draw(name) else f"row {line} of {CSV}"
