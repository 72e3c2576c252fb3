"""Smooths pictures between their edges: flat areas become flat, lines stay sharp.

The guided filter (He, Sun and Tang, "Guided Image Filtering", IEEE TPAMI 35(6), 2013, eq. 5, 6 and 8) with the picture
as its own guide, and one weight for the three channels, so that no colour bleeds over an edge of another. (With the
untranslated picture as guide, texture that the networks have left out comes back.) With the mean B(·) over a square
window of side 2 r + 1 (what lies outside of the picture is not counted):

    v = max over channels of B(p p) - B(p) B(p)      a = v / (v + e)      q = B(a) p + B((1 - a) B(p))

What varies by much more than sqrt(e) within a window stays, what varies by less becomes the window's mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CONTRAST = 0.25
"""Of values in [-1, 1]: what varies by less is smoothed at full smoothness."""
WINDOWS = 100
"""So many radii make the shorter side: a picture looks the same whatever its resolution."""
ROWS = 512
"""Rows that are smoothed at once, so that a large picture needs little more memory than itself."""


def radius_of(height: int, width: int) -> int:
    """Of the window, in pixels."""
    return max(1, round(min(height, width) / WINDOWS))


def smoothed(pictures: Tensor, smoothness: float) -> Tensor:
    """The pictures, smoothed.

    Args:
        pictures: N,3,H,W in [-1, 1].
        smoothness: 0 to 1; 0 leaves them as they are. sqrt(e) is `CONTRAST` times this.
    """
    import torch

    height, width = pictures.shape[-2:]
    radius = radius_of(height, width)
    # A row depends on those within two windows; with these around it, a strip comes out as of the whole picture.
    strips = []
    for top in range(0, height, ROWS):
        first, last = max(0, top - 2 * radius), min(height, top + ROWS + 2 * radius)
        strip = _filtered(pictures[..., first:last, :], radius, (CONTRAST * smoothness) ** 2)
        strips.append(strip[..., top - first : top - first + ROWS, :])
    return strips[0] if len(strips) == 1 else torch.cat(strips, -2)


def _filtered(pictures: Tensor, radius: int, spread: float) -> Tensor:
    means = _mean(pictures, radius)
    variance = (_mean(pictures * pictures, radius) - means * means).amax(1, keepdim=True).clamp(min=0)
    kept = variance / (variance + spread) if spread > 0 else variance.new_ones(()).expand_as(variance)
    return (_mean(kept, radius) * pictures + _mean((1 - kept) * means, radius)).clamp(-1, 1)


def _mean(values: Tensor, radius: int) -> Tensor:
    """Over the window around each pixel, as far as it lies within the picture; columns first, then rows."""
    from torch.nn.functional import avg_pool2d

    down = avg_pool2d(values, (2 * radius + 1, 1), 1, (radius, 0), count_include_pad=False)
    return avg_pool2d(down, (1, 2 * radius + 1), 1, (0, radius), count_include_pad=False)
