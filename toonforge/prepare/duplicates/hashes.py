"""A perceptual hash: 64 bits that stay nearly the same when a picture is scaled, recompressed or made brighter.

The bits are those of ImageHash's `phash` (checked on all sample pictures); the package itself is not used, since it
brings 150 MB of SciPy and PyWavelets for one cosine transform, and takes four times as long.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

SIDE, WAVES = 32, 8
"""The picture is scaled to a square of so many pixels; of its cosine waves so many are looked at in each direction."""

FLAT = 1.5
"""Levels of 255 of deviation below which such a square is flat: its hash would be the hash of noise."""


def hashed(picture: Picture) -> str:
    """The hash of an RGB picture (height, width, 3) as 16 hexadecimal digits; "" for a flat picture, which has none.

    Source: the DCT hash of Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), with
    the median as the threshold. It looks at luma alone: a drawing in other colours has the same hash.
    """
    waves = _waves(picture)
    return "" if waves is None else _bits(waves)


def hashed_mirrored(picture: Picture) -> str:
    """The hash of the picture mirrored left to right."""
    waves = _waves(picture)
    if waves is None:
        return ""
    waves[:, 1::2] *= -1  # mirrored, every second wave begins on its other side
    return _bits(waves)


def _waves(picture: Picture) -> npt.NDArray[np.float64] | None:
    import numpy as np
    from PIL import Image

    square = Image.fromarray(picture).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    levels = np.asarray(square, np.float64)
    if levels.std() < FLAT:
        return None
    transform = _transform()
    waves: npt.NDArray[np.float64] = transform @ levels @ transform.T
    return waves


@lru_cache(1)
def _transform() -> npt.NDArray[np.float64]:
    """The lowest rows of the cosine transform (DCT-II), not normalised."""
    import numpy as np

    angles = np.pi / (2 * SIDE) * np.outer(np.arange(WAVES), 2 * np.arange(SIDE) + 1)
    return np.asarray(np.cos(angles))


def _bits(waves: npt.NDArray[np.float64]) -> str:
    import numpy as np

    return np.packbits(waves > np.median(waves)).tobytes().hex()
