"""Whether files look as if each held several pictures, side by side: seen from the headers of a few of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from toonforge.data.reading.header import picture_size
from toonforge.errors import DataError, Problem
from toonforge.names import shape_text

if TYPE_CHECKING:
    from toonforge.data.files import Files

LOG = logging.getLogger(__name__)

LOOKED_AT = 20
"""Files whose headers are read."""

NARROW = 0.9
"""Where most pictures of files are narrower than this, width by height, the files may be single pictures: a photograph
of 16:9, the widest that cameras make, has halves of 8:9. Pairs are mostly of squares, or of pictures that lie."""

FLAT = 2.0
"""The same for pictures below each other: halves of pictures that lie are twice as wide as high, and wider."""

Layout = Literal["horizontal", "vertical"]


def look_at(files: Files, count: int, layout: Layout) -> None:
    """Warn where some files cannot be cut evenly, or where most look like single pictures; neither is certain.

    Args:
        files: of a part or of all.
        count: how many pictures each should hold.
        layout: how they lie in it.

    Raises:
        DataError: none of those that were looked at can be cut evenly.
    """
    step = max(1, len(files) // LOOKED_AT)
    some = [files.path(index) for index in range(0, len(files), step)][:LOOKED_AT]
    sizes = [size for size in map(picture_size, some) if size is not None]
    if not sizes:  # damaged: reading them says how
        return
    side, at = ("width", 0) if layout == "horizontal" else ("height", 1)
    even = [size for size in sizes if size[at] % count == 0]
    of_all = f"of {len(sizes)} files that were looked at"
    if not even:
        raise DataError(_uneven(f"none {of_all} can be cut into {count} equal pictures", sizes, side, count))
    if len(even) < len(sizes):
        LOG.warning(
            "data.folder: %d %s cannot be cut into %d equal pictures and are left out: their %s is no multiple of %d",
            len(sizes) - len(even),
            of_all,
            count,
            side,
            count,
        )
    unlikely = [size for size in even if _is_unlikely(size, count, layout)]
    if len(unlikely) > len(even) / 2:
        whole, part = unlikely[0], list(unlikely[0])
        part[at] //= count
        LOG.warning(
            "data.folder: %d %s look like single pictures: one of %dx%d is cut into %d of %dx%d. "
            "Where each does hold %d pictures, all is well.",
            len(unlikely),
            of_all,
            *whole,
            count,
            *part,
            count,
        )


def _is_unlikely(size: tuple[int, int], count: int, layout: Layout) -> bool:
    aspect = size[0] / size[1]
    return aspect / count < NARROW if layout == "horizontal" else aspect * count > FLAT


def _uneven(message: str, sizes: Sequence[tuple[int, int]], side: str, count: int) -> Problem:
    return Problem(
        message=message,
        key="data.folder",
        found=", ".join(shape_text(size) for size in dict.fromkeys(sizes[:3])),
        expected=f"files with a {side} that is a multiple of {count}",
        hint="are these files of several pictures each? `toonforge data pair --side-by-side` makes such files",
    )
