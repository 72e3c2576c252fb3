"""The picture filter that makes a cartoon of a photograph, in one of several named styles. It needs OpenCV.

Used for pairs to warm up on, for paired data sets, and as the baseline that a trained translator has to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from toonforge.data.classic import Classic, Sketch
from toonforge.data.drawn import Drawn

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture

STYLES: Mapping[str, Callable[[Picture], Picture]] = {
    "drawn": Drawn(),
    "classic": Classic(),
    "soft": Classic(halvings=2, passes=14, colours=25, median=9),
    "muted": Classic(gray=0.7),
    "bold": Classic(block=15, offset=3, widen=1),
    "poster": Drawn(radius=16, colours=60, tones=3, saturation=2.4, brightness=1.1, lines=0),
    "sketch": Sketch(),
}
"""Name -> filter of an RGB picture (height, width, 3) of uint8. The first is the default.

`soft`, `muted` and `bold` vary `classic` in blur, in its share of gray and in its lines. `poster` (few flat tones, no
lines) and `sketch` (pencil on white) look like none of them: they are there to be held out of a training.
"""

DEFAULT_STYLE = next(iter(STYLES))


def cartoonize(picture: Picture, style: str = DEFAULT_STYLE) -> Picture:
    """A cartoon of an RGB picture (height, width, 3) of uint8; the same size. Deterministic.

    Args:
        picture: the photograph.
        style: one of `STYLES`.

    Raises:
        KeyError: there is no such style.
        ToonforgeError: OpenCV is not installed.
    """
    return STYLES[style](picture)
