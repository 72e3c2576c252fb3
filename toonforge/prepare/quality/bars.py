"""Bars around pictures: the black bars of films (letterbox, pillarbox), frames and margins of one flat colour.

Many pictures have flat borders that are no bars: a night sky, the white paper under a drawing. Bars differ from them at
their inner edges, which are straight and nearly as long as the side, and they come in pairs: above and below, or left
and right. So a single bar, such as a caption below a picture, is not found; neither is one that has text in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture

FLAT = 10
"""Levels of 255 that the pixels of a bar may be away from its colour; JPEG and noise need some."""
STRAY = 0.02
"""Share of a line's pixels that may be further away: dust, dead pixels."""
STEP = 20
"""Levels between a bar and what lies inside of it."""
EDGE, WEAKEST = 0.6, 0.2
"""Share of the inner edges along which that step must be: of the two on average, and of each.

A scene may be as dark as its bars, so less than all. On the sample pictures and drawings, which have no bars, the
averages reach 0.45.
"""
REACH = 16
"""Lines within which the edge must come after the last flat one: JPEG smears colours over blocks of 16."""
THIN = 0.015
"""Thinner bars are no bars: share of the side."""
UNLIKE = 20
"""Levels between the colours of two opposite bars, at most."""


@attrs.frozen
class Bars:
    """Widths of the bars of a picture, in pixels."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return any(attrs.astuple(self))

    def share(self, picture: Picture) -> float:
        """Which part of the picture's area they cover, 0 to 1."""
        return 1 - self.cut(picture).size / picture.size

    def cut(self, picture: Picture) -> Picture:
        """The picture without them."""
        height, width = picture.shape[:2]
        return picture[self.top : height - self.bottom, self.left : width - self.right]


def letterbox(picture: Picture) -> Bars:
    """The bars of a picture (height, width, 3): above and below, left and right, or all around.

    Mirroring the picture mirrors its bars. A picture without an edge, such as one of a single colour, has none.
    """
    top, bottom = _pair(picture)
    inner = picture[top : len(picture) - bottom]
    return Bars(top, bottom, *_pair(inner.swapaxes(0, 1)))


def _pair(lines: Picture) -> tuple[int, int]:
    """Widths of the bar along the first lines and of that along the last; both or none."""
    import numpy as np

    first, edge = _bar(lines)
    if not first:
        return 0, 0
    last, other = _bar(lines[::-1])
    if not last or edge + other < 2 * EDGE or first + last >= len(lines):
        return 0, 0
    if np.abs(np.median(lines[0], axis=0) - np.median(lines[-1], axis=0)).max() > UNLIKE:
        return 0, 0
    return first, last


def _bar(lines: Picture) -> tuple[int, float]:
    """How many lines from the first on are a bar, and the share of its inner edge along which there is a step."""
    import numpy as np

    colour = np.median(lines[0], axis=0)

    def away(line: Any, levels: int) -> float:
        return float((np.abs(line - colour).max(axis=1) > levels).mean())

    flat = next((i for i, line in enumerate(lines) if away(line, FLAT) > STRAY), len(lines))
    if flat < 2:
        return 0, 0.0
    steps = [away(line, STEP) for line in lines[flat : flat + REACH]]
    width = next((i for i, step in enumerate(steps, flat) if step >= WEAKEST), 0)
    return (width, max(steps)) if width >= max(3, THIN * len(lines)) else (0, 0.0)
