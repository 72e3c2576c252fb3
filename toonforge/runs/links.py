"""Nothing in a run's folder leads out of it: what goes on with somebody's run writes, moves and removes files there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from toonforge.errors import Problem, RunError

OURS = ("checkpoints", "samples", "metrics")
"""Folders of a run that are looked through; others are of trackers, which keep links of their own."""


def refuse_links(folder: Path) -> None:
    """Raise `RunError` for links in a run's folder that lead out of it, and for what is neither a file nor a folder.

    Writing through a link would change files elsewhere, and a pipe would be waited for. The folder itself may be a
    link, and links within it are followed. A folder that is not there is none of this function's business.
    """
    whole = os.path.realpath(folder)
    for path, mode in _entries(folder):
        if stat.S_ISLNK(mode):
            leads = os.path.realpath(path)
            if os.path.commonpath([whole, leads]) != whole:
                raise RunError(
                    Problem(
                        message=f"{path} is a link that leads out of the run's folder",
                        found=leads,
                        expected="files and folders that lie in it",
                        hint="put what it leads to in its place; the run's whole folder may be a link",
                    )
                )
        elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise RunError(Problem(message=f"{path} is neither a file nor a folder", hint="remove it"))


def _entries(folder: Path) -> Iterator[tuple[str, int]]:
    """Everything directly in a run's folder and at any depth of its own folders: path, and `st_mode` of the link."""
    for entry in _scan(folder):
        yield entry.path, entry.stat(follow_symlinks=False).st_mode
    for name in OURS:
        for place, folders, files in os.walk(folder / name):  # does not follow links
            for path in (os.path.join(place, each) for each in (*folders, *files)):
                yield path, os.lstat(path).st_mode


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []
