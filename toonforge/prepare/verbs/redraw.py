"""What the verbs that draw pictures anew share: read, scale down, redraw, and save under a name that still matches."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.data.reading.picture import read_picture
from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.copying import write_whole
from toonforge.prepare.engine.out_folder import refuse_overlap
from toonforge.prepare.engine.sources import pictures_below
from toonforge.prepare.engine.task import Outcome, Source
from toonforge.prepare.verbs.names import named

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture

SIZE = 286
"""Short side, in pixels, that pictures are scaled down to before they are redrawn: the filters' sizes are for pictures
of about 256, and 286 is what CycleGAN crops 256 out of."""

FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "png": ("PNG", {}),
    "jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    "webp": ("WEBP", {"lossless": True}),
}
"""Ending -> Pillow's format and options. All but JPEG keep every pixel."""


def sources_for(source: Path, out: Path, format: str, size: int | None) -> tuple[Source, ...]:
    """The pictures of a folder, each with where it will be written below `out`.

    Raises:
        DataError: there are none, a folder lies in the other, or the format or the size will not do.
    """
    if format not in FORMATS:
        raise DataError(Problem(message="unknown format", found=str(format), expected=", ".join(FORMATS)))
    if size is not None and size < 1:
        raise DataError(Problem(message="size is out of range", found=str(size), expected="at least 1 pixel, or None"))
    sources = pictures_below(source)
    refuse_overlap(source, out)
    return named(sources, f".{format}", out)


def redraw(
    source: Source, out: Path, format: str, size: int | None, draw: Callable[[Picture], Picture]
) -> tuple[Picture, Picture, Outcome]:
    """One picture through `draw` and into its place: what was drawn from, what was drawn, and the outcome.

    Args:
        source: with its target.
        format: one of `FORMATS`.
        size: the short side it is scaled down to first, in pixels, never up; None leaves it.

    Raises:
        UnreadableImage: it cannot be read.
        OSError: it cannot be written.
    """
    from PIL import Image

    from toonforge.data.transforms import scale_short_side

    picture = read_picture(source.path)
    if size is not None and min(picture.shape[:2]) > size:
        picture = scale_short_side(picture, size)
    drawn = draw(picture)
    kind, options = FORMATS[format]
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, kind, **options)
    write_whole(out / source.target, file.getvalue())
    height, width = drawn.shape[:2]
    figures = {"width": width, "height": height}
    return picture, drawn, Outcome(action="written", output=source.target, figures=figures)
