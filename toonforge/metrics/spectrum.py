"""Power spectra of pictures of any size, on frequency axes that they share."""

from __future__ import annotations

from functools import cache

import attrs
import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601), as in the op `gray`."""
FLOOR = 1e-6
"""Least power that decibels are taken of: -60 dB, below the rounding of 8-bit pictures (-53 dB)."""
CELLS = 128
"""Cells of the shared plane along each axis: cell k stands for frequencies nearest to (k - 64) / 128 cycles/pixel."""
RING = 1 / 64
"""Width of a ring of the radial profile in cycles/pixel. Ring k holds k RING < f <= (k + 1) RING."""
RINGS = 46
"""Up to the corner of the plane, sqrt(1/2) cycles/pixel: checkerboards sit there."""
HIGH = 0.25
"""Half the Nyquist frequency, in cycles/pixel."""


def luma(pictures: Tensor) -> Tensor:
    """(N,3,H,W) or (N,1,H,W) to the one real signal (N,H,W) that is transformed, in float64 on the CPU."""
    pictures = pictures.detach().cpu().double()
    if pictures.shape[1] == 1:
        return pictures[:, 0]
    return torch.einsum("nchw,c->nhw", pictures, torch.tensor(LUMA, dtype=torch.float64))


def power(signal: Tensor) -> Tensor:
    """|F(u, v)|^2 of (N,H,W), orthonormal, zero frequency at [H // 2, W // 2]; sums to the signal's own energy.

    Photo-Anime Translation (Hu et al.), equation 9.
    """
    shifted: Tensor = torch.fft.fftshift(torch.fft.fft2(signal, norm="ortho"), dim=(-2, -1))
    return shifted.abs().square()


def decibels(values: Tensor) -> Tensor:
    """10 log10 of a power, which is 20 log10 of a magnitude; at least -60."""
    return 10 * values.clamp(min=FLOOR).log10()


@attrs.frozen(eq=False)
class Rings:
    """Where the frequencies of pictures of one size belong.

    Attributes:
        index: ring of each frequency, (H W,); the zero frequency is in ring RINGS, which is dropped.
        counts: frequencies in each ring, (RINGS,); 0 in rings that pictures of this size do not have.
        high: which lie above HIGH, (H W,).
    """

    index: Tensor
    counts: Tensor
    high: Tensor


@cache
def rings(height: int, width: int) -> Rings:
    """The rings of pictures of this size."""
    rows, columns = (_frequencies(size) for size in (height, width))
    radius = (rows.square()[:, None] + columns.square()[None, :]).sqrt().flatten()
    # Frequencies exactly between two rings must not change sides by a rounding of the square root.
    index = (radius / RING - 1e-9).ceil().long() - 1
    index = torch.where(radius == 0, RINGS, index)
    return Rings(index, torch.bincount(index, minlength=RINGS + 1)[:RINGS], radius > HIGH + 1e-12)


def profile(powers: Tensor) -> Tensor:
    """Mean power of each ring: (N,H,W) to (N,RINGS), nan in rings that pictures of this size do not have."""
    where = rings(*powers.shape[-2:])
    sums = powers.new_zeros(len(powers), RINGS + 1).index_add_(1, where.index, powers.flatten(1))
    return sums[:, :RINGS] / torch.where(where.counts > 0, where.counts, torch.nan)


def high_share(powers: Tensor) -> Tensor:
    """Share of the power above half the Nyquist frequency, zero frequency left out: (N,H,W) to (N,) in [0, 1].

    0 for a picture of one colour, which has no power to share out.
    """
    where = rings(*powers.shape[-2:])
    values = powers.flatten(1)
    total = values[:, where.index < RINGS].sum(1)
    high = values[:, where.high].sum(1)
    # What is left of the sum in a picture of one colour is rounding.
    return torch.where(total > 1e-20 * values.shape[1], high / total, 0.0)


def plane(powers: Tensor) -> Tensor:
    """Spectra on the shared plane: (N,H,W) to (N,CELLS,CELLS), zero frequency at [CELLS // 2, CELLS // 2].

    A cell is the mean of the frequencies nearest to it, or the nearest one where pictures are smaller than the plane.
    """
    rows, columns = (_cells(size) for size in powers.shape[-2:])
    return rows @ powers @ columns.T


@cache
def _cells(size: int) -> Tensor:
    """(CELLS, size): which of a side's frequencies each cell averages. The axis is periodic: -1/2 is 1/2."""
    frequencies = _frequencies(size)
    cells = _frequencies(CELLS)
    nearest = (frequencies * CELLS).round().long().add(CELLS // 2) % CELLS
    weights = torch.zeros(CELLS, size, dtype=torch.float64)
    weights[nearest, torch.arange(size)] = 1
    distance = (cells[:, None] - frequencies[None, :] + 0.5).remainder(1).sub(0.5).abs()
    empty = weights.sum(1) == 0
    weights[empty, distance[empty].argmin(1)] = 1
    return weights / weights.sum(1, keepdim=True)


def _frequencies(size: int) -> Tensor:
    """Cycles/pixel of each place of a shifted transform of this length: -1/2 <= f < 1/2."""
    return (torch.arange(size, dtype=torch.float64) - size // 2) / size
