"""Which of near-duplicates is the best: the one to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toonforge.prepare.quality.judging import Limits

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Column = npt.NDArray[Any]

COLOUR = Limits().min_colour
"""Spread of colour below which a picture is grey or toned: `toonforge data filter` puts it aside."""

TIMES = 2
"""A picture with colour is preferred to a grey one of up to so many times its pixels."""


def ranked(width: Column, height: Column, colour_spread: Column, sharpness: Column) -> npt.NDArray[np.int64]:
    """The rank of each of n pictures, 0 for the best; all different, whatever order the others are in.

    A picture with colour counts as `TIMES` as large as it is; then the larger is the better, then the sharper, then the
    first. The weight makes it one order for all pictures, in which being of nearly one size needs no bounds.

    Args:
        width, height: (n,) in pixels.
        colour_spread, sharpness: (n,) as in `toonforge.prepare.quality.measures`.
    """
    import numpy as np

    area = width.astype(np.float64) * height
    weighted = np.where(colour_spread < COLOUR, area, TIMES * area)
    rank = np.empty(len(area), np.int64)
    rank[np.lexsort((-sharpness, -area, -weighted))] = np.arange(len(area))
    return rank
