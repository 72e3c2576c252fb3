"""Folders that toonforge writes to: whether it may, and how much room there is."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from toonforge.checkup.finding import Finding
from toonforge.data.cache.folder import cache_folder
from toonforge.recipe.schema import FILE, recipe_schema_text

GB = 1000**3
LITTLE, NONE = 5 * GB, GB // 2
"""Bytes of room: fewer fill up in a long training; with fewer still no checkpoint may fit."""


def look(here: Path) -> list[Finding]:
    """Where runs go, what can be made again, what is thrown away; and the schema that lies here, if any."""
    runs = here / "runs"
    found = [
        writable(
            "runs",
            runs if os.path.exists(runs) else here,
            "work in a folder that you may write to, or give --out",
            "old checkpoints lie in runs/*/checkpoints; train.checkpoint.keep says how many are kept",
        ),
        writable(
            "cache",
            cache_folder(),
            "set TOONFORGE_CACHE to a folder that you may write to",
            "what lies there is made anew where it is missing; or set TOONFORGE_CACHE to a folder on another disk",
        ),
        writable(
            "temporary",
            Path(tempfile.gettempdir()),
            "set TMPDIR to a folder that you may write to",
            "remove what is not needed there, or set TMPDIR to a folder on another disk",
        ),
    ]
    return [*found, *schema(here / FILE)]


def writable(name: str, folder: Path, advice: str, room_advice: str) -> Finding:
    """Whether a file can be made in a folder, or in the nearest one above where it is yet to be made; and the room.

    Args:
        name, folder: what it is for, and where it lies.
        advice, room_advice: what to do where it cannot be written, and where there is little room.
    """
    above = next((place for place in (folder, *folder.absolute().parents) if os.path.exists(place)), Path("/"))
    shown = str(folder.absolute())
    try:
        with tempfile.TemporaryFile(dir=above):
            room = shutil.disk_usage(above).free
    except OSError as error:
        return Finding(
            area="folders",
            name=name,
            status="broken",
            text=f"{shown} cannot be written: {error.strerror or error}",
            advice=advice,
        )
    text = f"{shown}, {room / GB:.1f} GB free"
    if room >= LITTLE:
        return Finding(area="folders", name=name, text=text)
    return Finding(
        area="folders",
        name=name,
        status="broken" if room < NONE else "warning",
        text=text,
        advice=f"make room: {room_advice}",
    )


def schema(file: Path) -> list[Finding]:
    """Whether the schema that editors read here is of what is installed."""
    if not os.path.isfile(file):
        return []
    try:
        fresh = file.read_text("utf-8") == recipe_schema_text()
    except (OSError, ValueError):
        fresh = False
    if fresh:
        return [Finding(area="folders", name="schema", text=f"{file.name} is of what is installed")]
    return [
        Finding(
            area="folders",
            name="schema",
            status="note",
            text=f"{file.name} is not of what is installed now",
            advice="write it anew: toonforge schema",
        )
    ]
