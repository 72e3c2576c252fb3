"""What is let in: pictures that can be translated while somebody waits, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from toonforge.data.reading.header import picture_size
from toonforge.errors import Problem, RunError, UnreadableImage, escaped
from toonforge.use.pictures.original import Original, read_original

MAX_BYTES = 64 * 2**20
"""Larger files are not taken: of photographs, only those that no camera has compressed are."""

MAX_PIXELS = 25_000_000
"""Larger pictures are refused before they are decoded: on a CPU one of these takes minutes, and others wait. Most
telephones and cameras take pictures of 12 to 24 million pixels."""

LONGEST_NAME = 100
"""Letters of a file's name that are kept."""

_LARGER = "toonforge translate takes larger ones, in the terminal"


def read_upload(path: Path, name: str) -> Original:
    """A picture that can be translated here.

    Args:
        path: the uploaded file.
        name: what it was called where it came from.

    Raises:
        RunError: it is gone, no picture, damaged, or too large; before anything is decoded where its header tells.
    """
    called = plain_name(name)
    try:
        size = os.stat(path).st_size
    except OSError:
        raise RunError(Problem(message=f"{called} is no longer here", hint="upload it once more")) from None
    if size > MAX_BYTES:
        found, expected = f"{size / 2**20:.0f} MB", f"at most {MAX_BYTES / 2**20:.0f} MB"
        raise RunError(Problem(message=f"{called} is too large", found=found, expected=expected, hint=_LARGER))
    _refuse_many(called, picture_size(path))
    try:
        original = read_original(path)
    except UnreadableImage as error:
        raise RunError(Problem(message=f"{called} cannot be read as a picture", found=error.reason)) from None
    height, width, _ = original.pixels.shape
    _refuse_many(called, (width, height))
    return original


def _refuse_many(called: str, sides: tuple[int, int] | None) -> None:
    if sides is not None and sides[0] * sides[1] > MAX_PIXELS:
        raise RunError(
            Problem(
                message=f"{called} has too many pixels",
                found=f"{sides[0]} x {sides[1]}, {sides[0] * sides[1] / 1e6:,.0f} million",
                expected=f"at most {MAX_PIXELS / 1e6:.0f} million",
                hint=_LARGER,
            )
        )


def plain_name(name: str) -> str:
    """The last part of a name that came with an upload, of letters that neither disks, pages nor terminals obey."""
    last = escaped(name.replace("\\", "/").rpartition("/")[2])
    kept = "".join(letter if letter.isalnum() or letter in " ._-()+,&'" else "_" for letter in last).strip(" .")
    stem, ending = os.path.splitext(kept)
    return f"{stem[:LONGEST_NAME].strip()}{ending[:12]}" or "picture"
