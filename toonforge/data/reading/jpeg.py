"""JPEG files by simplejpeg (libjpeg-turbo) where it is installed: the pixels of Pillow, sooner.

Only files without anything unusual in their headers are decoded here. Every other file, and each of which the decoder
complains, is left to Pillow: so the packages that are installed change neither pixels nor what is refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from toonforge.data.reading.pillow import opened
from toonforge.data.reading.upright import orientation_of, turned

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]

START = b"\xff\xd8\xff"
"""What JPEG files begin with."""

MAX_PASSES = 200
"""Files that come in more passes over the picture are refused: of a few bytes each, they keep a processor for hours."""

_PLAIN = frozenset((0xC4, 0xDB, 0xDD, 0xFE, 0xE0, *range(0xE3, 0xED), 0xEE, 0xEF))
"""Segments that do not concern the pixels, or concern them in one way only: tables, comments, applications' own."""


def read_jpeg(data: bytes, short: int | None, check: Callable[[int, int], None]) -> Picture | None:
    """The upright picture as (height, width, 3) RGB, or None for a file that is better left to Pillow.

    Args:
        data: the whole file.
        short: a short side that is enough; see `reduction`.
        check: called with the width and the height before anything is decoded, to refuse them.
    """
    library = _library()
    if library is None:
        return None
    try:
        height, width, bare = _header(data)
        check(width, height)
        orientation = 1 if bare else _orientation(data, height, width)
        factor = reduction(height, width, short)
        wanted = (-(-height // factor), -(-width // factor))
        reduced = {"min_height": wanted[0], "min_width": wanted[1]} if factor > 1 else {}
        picture: Picture = library.decode_jpeg(data, "RGB", **reduced)
    except (ValueError, IndexError, OSError):  # unusual or damaged
        return None
    return turned(picture, orientation) if picture.shape[:2] == wanted else None


def reduction(height: int, width: int, short: int | None) -> int:
    """By how much (1, 2, 4 or 8) a picture can be decoded smaller so that its short side is not below `short`.

    As Pillow's `draft` chooses it.
    """
    room = 1 if short is None else min(height, width) // short
    return next(factor for factor in (8, 4, 2, 1) if room >= factor or factor == 1)


def passes(data: bytes) -> int:
    """In how many passes over the picture its pixels are written: one, or some ten where it is progressive."""
    return data.count(b"\xff\xda")


@cache
def _library() -> Any:
    try:
        import simplejpeg
    except (ImportError, ValueError):  # not there, or built for another numpy
        return None
    return simplejpeg


def _header(data: bytes) -> tuple[int, int, bool]:
    """(height, width, whether no segment may say that the picture is turned or not alone in the file).

    Raises:
        ValueError, IndexError: the header is damaged, or not as nearly all are.
    """
    at, bare, size = 2, True, None
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker")
        marker, length = data[at + 1], data[at + 2] << 8 | data[at + 3]
        if marker in (0xC0, 0xC2) and size is None:  # the frame: baseline or progressive
            if data[at + 4] != 8 or data[at + 9] not in (1, 3):
                raise ValueError("not 8 bits of grey or of three colours")
            if marker == 0xC2 and passes(data) > MAX_PASSES:
                raise ValueError("many passes")
            size = (data[at + 5] << 8 | data[at + 6], data[at + 7] << 8 | data[at + 8])
        elif marker == 0xDA and size is not None and min(size) > 0:  # the pixels
            return *size, bare
        elif marker in (0xE1, 0xE2, 0xED):  # EXIF and XMP; colour profiles and further pictures; Photoshop's own
            bare = bare and marker == 0xE2 and data[at + 4 : at + 16] == b"ICC_PROFILE\0"
        elif marker not in _PLAIN:
            raise ValueError("unusual marker")
        if marker >= 0xE0 and marker != 0xFE and length < 16:  # Pillow refuses some segments that are cut short
            raise ValueError("short segment")
        at += 2 + length


def _orientation(data: bytes, height: int, width: int) -> int:
    """What Pillow makes of the file's EXIF or XMP; raises ValueError where it refuses the file."""
    with opened(io.BytesIO(data)) as image:
        if image.size != (width, height) or image.mode not in ("L", "RGB"):
            raise ValueError("Pillow sees another picture")
        return orientation_of(image)
