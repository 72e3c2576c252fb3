"""`blur(x, sigma)`: smooths pictures, as a touch-up after a translator or to show a network soft pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError
from toonforge.ops.shapes import number, picture_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

LARGEST = 100.0
"""Pixels. A wider bell would need a kernel of over 800 pixels, more than pictures here have to give."""


@component
class Blur(Op):
    """Gaussian smoothing; `sigma` is the bell's standard deviation in pixels, above 0 and at most 100.

    The result is that of OpenCV's `GaussianBlur(x, (0, 0), sigma)` on float pictures: a square kernel of
    8 sigma + 1 pixels, rounded and made odd, with weights that sum to 1, so that values stay in their range; beyond
    the border the picture is mirrored about its outermost pixels, as often as a small picture needs. A gradient passes.
    It acts in training and outside alike: `[translations] cartoon = "blur(G(photo), 0.7)"` smooths what users get.
    """

    arguments: ClassVar[tuple[int, int | None]] = (2, 2)

    def shape(self, *inputs: Shape | float) -> Shape:
        """The picture's shape."""
        sigma = number("blur", 2, inputs[1])
        if not 0 < sigma <= LARGEST:
            raise ShapeError(
                f"argument 2 of blur is sigma in pixels, greater than 0 and at most {LARGEST:g}, found {sigma:g}"
            )
        return picture_shape("blur", 1, inputs[0])

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of pictures (N,C,H,W) and sigma."""

        def along(x: torch.Tensor, dim: int, weights: Sequence[float]) -> torch.Tensor:
            size = x.shape[dim]
            x = x.index_select(dim, mirrored(size, len(weights) // 2, x.device))
            total = weights[0] * x.narrow(dim, 0, size)
            for offset, weight in enumerate(weights[1:], 1):
                total = total.add(x.narrow(dim, offset, size), alpha=weight)
            return total

        def blur(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
            weights = bell(sigma)
            if len(weights) == 1:
                return pictures
            # Half precision has too few digits for the weights' sum; a convolution would fall back to it in autocast.
            x = pictures.float() if pictures.dtype.itemsize < 4 else pictures
            return along(along(x, 2, weights), 3, weights).to(pictures.dtype)

        return blur


def kernel_size(sigma: float) -> int:
    """OpenCV's kernel for float pictures: 4 sigma to each side, an odd number of pixels."""
    return round(8 * sigma + 1) | 1


def bell(sigma: float) -> list[float]:
    """The kernel's weights along one side; they sum to 1."""
    radius = kernel_size(sigma) // 2
    heights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-radius, radius + 1)]
    return [height / sum(heights) for height in heights]


def mirrored(size: int, radius: int, device: torch.device) -> torch.Tensor:
    """Which of `size` pixels to read at -radius ... size + radius - 1: mirrored about the outermost pixels."""
    import torch

    period = 2 * (size - 1) + 1 // size  # of a single pixel 1: nothing is decided by a size that may yet be unknown
    positions = (torch.arange(size + 2 * radius, device=device) - radius) % period
    return torch.where(positions < size, positions, period - positions)
