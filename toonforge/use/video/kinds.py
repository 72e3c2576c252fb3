"""Which files are films, and which kinds of films are written. Neither torch nor PyAV is imported."""

from __future__ import annotations

import os
from pathlib import Path

from toonforge.data.reading.picture import SUFFIXES as PICTURES
from toonforge.data.reading.picture import shown
from toonforge.errors import Problem, RunError
from toonforge.prepare.films.finding import SUFFIXES

WRITTEN = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Endings of films that are written, and ffmpeg's name of the container."""

USUAL = ".mp4"
"""The ending of a translated film whose own kind is not written."""


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file's ending is that of a film (those which `toonforge data frames` finds in folders).

    Examples:
        >>> from toonforge.use.video import is_video
        >>> is_video("holiday.mp4"), is_video("photo.jpg")
        (True, False)
    """
    return os.fspath(path).lower().endswith(SUFFIXES)


def target_suffix(source: str | os.PathLike[str]) -> str:
    """The ending of a film's translation: its own where such films are written, else .mp4.

    Examples:
        >>> from toonforge.use.video import target_suffix
        >>> target_suffix("holiday.mkv"), target_suffix("old.avi")
        ('.mkv', '.mp4')
    """
    suffix = Path(source).suffix
    return suffix if suffix.lower() in WRITTEN else USUAL


def container_of(target: Path) -> str:
    """ffmpeg's name of the container that a target's ending stands for.

    Raises:
        RunError: for an ending that is no film's that is written.
    """
    suffix = target.suffix.lower()
    if suffix in WRITTEN:
        return WRITTEN[suffix]
    animated = suffix in PICTURES
    raise RunError(
        Problem(
            message=f"{shown(target)}: films are not written as {'pictures' if animated else 'this kind of file'}",
            found=suffix or "no ending",
            expected=f"a file that ends in {', '.join(WRITTEN)}",
            hint="to make a GIF of the translated film: ffmpeg -i film.mp4 film.gif" if suffix == ".gif" else None,
        )
    )


def webcam_index(given: str | os.PathLike[str]) -> int | None:
    """The number of a webcam, where one is given and no file has it as its name; None otherwise.

    Examples:
        >>> from toonforge.use.video import webcam_index
        >>> webcam_index("0"), webcam_index("film.mp4")
        (0, None)
    """
    text = os.fspath(given)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 and not os.path.exists(text) else None
