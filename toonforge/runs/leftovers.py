"""Pictures of steps that a resumed run does again: removed with their log lines, so that none stays of another past."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

GRIDS = re.compile(r"step-(\d{6,})(?:\.jpg)?\Z")
DRAWN = re.compile(r".*-step-(\d{6,})\.png\Z", re.DOTALL)
HALF = re.compile(r"\..*step-\d{6,}(?:\.\w+)?(?:\.\d+-\d+)?\.(?:partial|old)\Z", re.DOTALL)
"""What was being written when a process was killed; nothing else writes while a run resumes."""


def remove_after(folder: Path, step: int) -> None:
    """Remove grids, strips and metrics' pictures of steps after `step`, and what is half written.

    Only regular files and folders with the names that a run gives them, in the folders of the run itself: whatever is a
    link, or lies behind one, stays as it is.

    Args:
        folder: of the run.
    """
    for name, pattern in (("samples", GRIDS), ("metrics", DRAWN)):
        inside = folder / name
        if not _is(inside, stat.S_ISDIR):
            continue
        with os.scandir(inside) as entries:
            names = [entry.name for entry in entries]
        for each in names:
            match = pattern.match(each)
            if HALF.match(each) or (match is not None and int(match[1]) > step):
                _remove(inside / each)


def _remove(path: Path) -> None:
    if _is(path, stat.S_ISDIR):
        shutil.rmtree(path)
    elif _is(path, stat.S_ISREG):
        path.unlink()


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    """Whether a path itself, not what a link leads to, is of a kind."""
    try:
        return kind(path.lstat().st_mode)
    except OSError:
        return False
