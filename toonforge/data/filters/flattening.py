"""Flattening by L0 gradient minimisation: as few edges as possible, the strong ones kept as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.floating[Any]]

GROWTH = 2.0
"""Factor of the coupling between the picture and its thinned gradients, from one round to the next."""

LAST = 1e5
"""Coupling at which the picture and its thinned gradients agree."""


def flatten(values: Values, amount: float) -> Values:
    """A picture (height, width, 3) in [0, 1] without its small differences between neighbours; the same size, float32.

    After Xu, Lu, Xu and Jia, "Image smoothing via L0 gradient minimization" (2011): in turn, gradients too weak for
    the current coupling become 0, and the picture nearest to the input with such gradients is solved for in the
    frequency domain. The picture is taken to repeat beyond its borders.

    Args:
        values: the picture.
        amount: weight of one edge pixel against squared differences from the input; more is flatter, 0.01 to 0.03
            for photographs.
    """
    import numpy as np

    height, width = values.shape[:2]
    # |1 - e^(-ia)|^2 is the power of the difference between neighbours.
    down = 2 - 2 * np.cos(2 * np.pi * np.fft.fftfreq(height))
    across = 2 - 2 * np.cos(2 * np.pi * np.fft.rfftfreq(width))
    power = (down[:, None] + across[None, :])[..., None]  # height,width/2+1,1
    flat = values.astype(np.float64)
    target = np.fft.rfft2(flat, axes=(0, 1))
    coupling = 2 * amount
    while coupling < LAST:
        right, below = np.roll(flat, -1, 1) - flat, np.roll(flat, -1, 0) - flat
        weak = (right**2 + below**2).sum(-1) < amount / coupling
        right[weak] = 0
        below[weak] = 0
        divergence = np.roll(right, 1, 1) - right + np.roll(below, 1, 0) - below
        solved = (target + coupling * np.fft.rfft2(divergence, axes=(0, 1))) / (1 + coupling * power)
        flat = np.fft.irfft2(solved, s=(height, width), axes=(0, 1))
        coupling *= GROWTH
    result: Values = flat.clip(0, 1).astype(np.float32)
    return result
