"""The picture filter that makes a cartoon of a photograph, in one of several named styles. It needs OpenCV.

Used for pairs to warm up on, for paired data sets, and as the baseline that a trained translator has to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from toonforge.data.filters.classic import Classic
from toonforge.data.filters.drawn import Drawn
from toonforge.data.filters.inked import Inked
from toonforge.data.filters.poster_and_sketch import Poster, Sketch

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture

STYLES: Mapping[str, Callable[[Picture], Picture]] = {
    "drawn": Drawn(),
    "inked": Inked(),
    "classic": Classic(),
    "soft": Classic(halvings=2, passes=10, colours=30, median=7, offset=4),
    "muted": Classic(gray=0.65),
    "bold": Classic(median=7, block=11, offset=6, widen=1),
    "poster": Poster(),
    "sketch": Sketch(),
}
"""Name -> filter of an RGB picture (height, width, 3) of uint8. The first is the default. Their sizes are for pictures
of about 256 pixels: smaller ones get coarser.

`soft`, `muted` and `bold` vary `classic` in blur, in its share of gray and in its lines. `poster` (few flat tones, no
lines) and `sketch` (pencil on white) look like none of them: they are there to be held out of a training.
"""

ABOUT_STYLES: Mapping[str, str] = {
    "drawn": "livelier colours in flat regions and six tones, soft dark lines",
    "inked": "flat regions, livelier colours, pen strokes and few specks",
    "classic": "colours smoothed, black lines: the filter of OpenCV tutorials",
    "soft": "classic with smoother, blurred colours",
    "muted": "classic with two thirds of the colour taken out",
    "bold": "classic with fewer, thicker lines",
    "poster": "few flat tones with hard borders, no lines",
    "sketch": "gray pencil lines on white, no colour",
}
"""Style -> what it looks like, in a phrase."""

DEFAULT_STYLE = next(iter(STYLES))


def cartoonize(picture: Picture, style: str = DEFAULT_STYLE) -> Picture:
    """A cartoon of an RGB picture (height, width, 3) of uint8; the same size. Deterministic.

    Args:
        picture: the photograph.
        style: one of `STYLES`.

    Raises:
        KeyError: there is no such style.
        ToonforgeError: OpenCV is not installed.

    Examples:
        >>> from toonforge.data import cartoonize, read_picture
        >>> cartoonize(read_picture("photo.jpg"), "poster").shape
        (48, 64, 3)
    """
    return STYLES[style](picture)
