"""Reads files of a run's folder, whoever made it: only regular files that lie in it, and only data of sane depth."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEEPEST = 64
"""Levels of tables and lists that data of a run may have; what Python does with plain data recurses into them."""
LARGEST = 2**53
"""Whole numbers from here on are not the same in JSON's other readers, a browser among them."""


def inside(folder: Path, relative: object) -> Path | None:
    """A path that a run's log or strips name; None where it leads out of the folder, a link as well.

    The folder itself may be a link.
    """
    if not isinstance(relative, str) or not relative or "\0" in relative:
        return None
    path = folder / relative
    try:
        return path if path.resolve().is_relative_to(folder.resolve()) else None
    except (OSError, RuntimeError, ValueError):  # such as letters that no path can have
        return None


def file_inside(folder: Path, relative: object) -> Path | None:
    """The same for a regular file, which never waits for another program as a pipe does; None where there is none."""
    path = inside(folder, relative)
    return path if path is not None and os.path.isfile(path) else None


def read_text(folder: Path, name: str, errors: str = "strict") -> str:
    """The text of a file of a run, UTF-8.

    Raises:
        OSError: there is none, it is no regular file, or it lies elsewhere.
        ValueError: it is no text.
    """
    path = inside(folder, name)
    if path is None:
        raise OSError("it is a link that leads out of the run's folder")
    if os.path.lexists(path) and not os.path.isfile(path):
        raise OSError("it is no regular file")
    return path.read_text("utf-8", errors=errors)


def shallow(value: Any, deepest: int = DEEPEST) -> Any:
    """The same plain data; `ValueError` where tables and lists lie deeper in each other than data of a run do."""
    level = [value]
    for _ in range(deepest + 1):
        level = [item for each in level for item in _within(each)]
        if not level:
            return value
    raise ValueError(f"tables and lists lie more than {deepest} deep in each other")


def _within(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.values()]
    return value if isinstance(value, list) else []
