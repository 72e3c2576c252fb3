"""Folders that a verb wrote, where what it put aside lies beside what it kept: reading both brings it back."""

from __future__ import annotations

import json
from pathlib import Path

from toonforge.data.reading.picture import shown
from toonforge.prepare.engine.manifest import JSON

KEPT, ASIDE = "kept", "aside"
SORTING = ("dedupe", "filter")
"""Verbs that write `KEPT` and `ASIDE`."""


def sorted_by(folder: Path) -> str | None:
    """The verb that sorted the pictures of a folder into kept and aside; None for any other folder."""
    if not (folder / KEPT).is_dir() or not (folder / ASIDE).is_dir():
        return None
    try:
        data = json.loads((folder / JSON).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    verb = data.get("verb") if isinstance(data, dict) else None
    return verb if verb in SORTING else None


def warning(folder: Path) -> str | None:
    """What to say, in a line, where a folder that is to be read is one of those."""
    verb = sorted_by(folder)
    if verb is None:
        return None
    return f"{shown(folder)} is what `toonforge data {verb}` wrote: {shown(folder / KEPT)} holds what it kept"
