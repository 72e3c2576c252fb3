"""What a run leaves that was killed before it had described itself: nothing to resume, and nothing to be missed."""

from __future__ import annotations

import stat
from pathlib import Path

from toonforge.files import remove, written_for
from toonforge.runs.alone import LOCK

_WRITTEN = ("recipe.toml", "base.toml", "lock.json", "resolved.toml")
FILES = {*_WRITTEN[:-1]}
"""In a run's folder before `resolved.toml`, which is written last, besides the lock and what is half written."""
FOLDERS = {"checkpoints", "samples"}
"""The same; they are empty."""


def only_begun(folder: Path) -> bool:
    """Whether a folder holds what a run leaves before it can be resumed, and nothing else.

    Not one with a link in it, nor one that merely has a recipe in it: a run's lock or its `checkpoints` are there too.
    """
    try:
        items = list(folder.iterdir())
        names = {item.name for item in items}
        return bool(names & {LOCK, "checkpoints"}) and all(_of_a_beginning(item) for item in items)
    except OSError:
        return False


def _of_a_beginning(item: Path) -> bool:
    mode = item.lstat().st_mode
    if item.name in FOLDERS:
        return stat.S_ISDIR(mode) and not any(item.iterdir())
    return stat.S_ISREG(mode) and (item.name in {LOCK, *FILES} or written_for(item.name) in _WRITTEN)


def clear_begun(folder: Path, source: Path | None) -> None:
    """Remove what `only_begun` found, but for the lock, which whoever begins anew holds.

    Args:
        source: the recipe to begin with, which may be the one in the folder.
    """
    half = {item.name for item in folder.iterdir() if written_for(item.name) in _WRITTEN}
    for name in FILES | FOLDERS | half:
        if source is None or (folder / name).resolve() != source.resolve():
            remove(folder / name)
