"""What can be said about a picture in numbers: how bright, colourful, sharp it is, and how large a face it shows.

Every measure takes an RGB picture (height, width, 3) of uint8. None depends on how the picture is mirrored, and little
on its size: what a measure needs at a standard size it brings there itself, so a picture that was scaled to a short
side of `STANDARD` pixels before gives nearly the same figures much faster. `measured` does so.
(Bars are in `toonforge.prepare.quality.bars`, hashes in `toonforge.prepare.duplicates.hashes`.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from toonforge.data.transforms import scale, scaled_size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.faces import Box
    from toonforge.data.transforms import Picture

STANDARD = 256
"""Short side, in pixels, at which sharpness is measured: the size that most recipes train at."""

GAP = 4.0
"""Times `STANDARD` down to which far larger pictures are averaged before they are scaled: in half the time.

On enlarged and on joined sample pictures sharpness is within 2 % of that of plain scaling, on noise within 4 %; 2 makes
it up to 11 % lower.
"""

TONES, STRONGEST_TONE, BLOCK = 32, 45, 4
"""Of `colour_spread`: points of the curve from luma to chroma, its largest chroma, and the sides of averaged blocks."""

FIGURES = ("brightness", "contrast", "colourfulness", "colour_spread", "sharpness")
"""What `measured` gives, in this order."""


def measured(picture: Picture) -> dict[str, float]:
    """All `FIGURES` of a picture, rounded to four significant digits."""
    small = standard(picture)
    functions = (brightness, contrast, colourfulness, colour_spread, sharpness)
    return {name: float(f"{function(small):.4g}") for name, function in zip(FIGURES, functions)}


def standard(picture: Picture) -> Picture:
    """The picture with a short side of `STANDARD` pixels: bicubic, after averaging where it is far larger."""
    import numpy as np
    from PIL import Image

    height, width = scaled_size(picture.shape[0], picture.shape[1], STANDARD)
    if picture.shape[:2] == (height, width):
        return picture
    shrunk = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=GAP)
    return np.asarray(shrunk)


def brightness(picture: Picture) -> float:
    """Mean luma (Rec. 601, of the values as stored), 0 for black to 1 for white."""
    return float(_luma(picture).mean() / 255)


def contrast(picture: Picture) -> float:
    """Standard deviation of luma (RMS contrast; Peli, 1990), 0 for a single grey to 0.5 for half black, half white."""
    return float(_luma(picture).std() / 255)


def colourfulness(picture: Picture) -> float:
    """Colourfulness as people judge it (Hasler and Süsstrunk, 2003), 0 for pure grey.

    Their scale: 15 slightly, 33 moderately, 45 averagely, 59 quite, 82 highly, 109 extremely colourful. The largest
    value is about 262.
    """
    import numpy as np

    red, green, blue = np.moveaxis(picture.astype(np.float32), -1, 0)
    opponents = (red - green, (red + green) / 2 - blue)
    deviation, mean = (float(np.hypot(*(f(plane) for plane in opponents))) for f in (np.std, np.mean))
    return deviation + 0.3 * mean


def colour_spread(picture: Picture) -> float:
    """How much colour there is beyond one tint, in levels of 255: 0 for grey, sepia and other toned pictures.

    The chroma of a toned picture follows from its luma alone. So the mean chroma at each luma is taken away, and the
    figure is the root mean square of what is left (Cb and Cr of Rec. 601 together), averaged over blocks of 1/32 of the
    short side, which evens out JPEG's errors. A tint may be no stronger than sepia or cyanotype: a bold red drawing on
    white is coloured. On the sample pictures, toned ones have less than 3 to 4, nearly all coloured ones more than 4.
    """
    import numpy as np

    size = scaled_size(picture.shape[0], picture.shape[1], 32 * BLOCK)
    small = scale(picture, *(BLOCK * round(side / BLOCK) for side in size))
    luma = _luma(small)
    chroma = [0.564 * (small[..., 2] - luma), 0.713 * (small[..., 0] - luma)]
    # Piecewise linear: each pixel counts for the two tones that its luma lies between.
    low = np.minimum((luma * ((TONES - 1) / 255)).astype(np.intp), TONES - 2)
    above = luma * ((TONES - 1) / 255) - low
    around = np.stack([low, low + 1]).ravel()
    weights = np.stack([1 - above, above])
    total = np.maximum(np.bincount(around, weights.ravel(), TONES), 1e-9)
    tones = [np.bincount(around, (weights * plane).ravel(), TONES) / total for plane in chroma]
    fainter = np.minimum(1, STRONGEST_TONE / np.maximum(np.hypot(*tones), 1e-9))
    spread = 0.0
    for plane, tone in zip(chroma, tones):
        toned = (1 - above) * (tone * fainter)[low] + above * (tone * fainter)[low + 1]
        spread += float((_blocks(plane - toned) ** 2).mean())
    return math.sqrt(spread)


def sharpness(picture: Picture) -> float:
    """Variance of the Laplacian of luma at a short side of `STANDARD` pixels (Pech-Pacheco et al., 2000).

    In levels of 255, squared; 0 for a flat picture. Its scale depends on the content: compare pictures of one kind.
    """
    luma = _luma(standard(picture))
    inner = luma[1:-1, 1:-1]
    return float((luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner).var())


def face_ratio(picture: Picture, find: Callable[[Picture], Box | None]) -> float:
    """Side of the largest frontal face against the picture's short side, 0 to 1; 0 where no face is found.

    The share of the training resolution that a face gets: where it was low, Pix2Pix drew blurred faces (cGANs for
    Cartoon to Real-life Images, 2.1.2 and 4.1; the pictures were sorted out by hand there, so it names no number).

    Args:
        find: a `toonforge.data.faces.FaceFinder`.
    """
    box = find(picture)
    return 0.0 if box is None else min(1.0, (box[3] - box[1]) / min(picture.shape[:2]))


def _luma(picture: Picture) -> npt.NDArray[np.float32]:
    import numpy as np

    return np.asarray(picture @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _blocks(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Means over squares of `BLOCK` pixels."""
    height, width = (length // BLOCK for length in plane.shape)
    means: npt.NDArray[Any] = plane.reshape(height, BLOCK, width, BLOCK).mean(axis=(1, 3))
    return means
