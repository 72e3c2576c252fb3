"""`gray(x)`: a picture without its colour, still with three channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError
from toonforge.ops.shapes import picture_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601). They sum to 1, so the range [-1, 1] stays."""


@component
class Gray(Op):
    """The luma of an RGB picture in all three channels, as AnimeGAN's style and gray terms take it."""

    def shape(self, *inputs: Shape | float) -> Shape:
        """The picture's shape; it must have three channels."""
        shape = picture_shape("gray", 1, inputs[0])
        if shape[0] != 3:
            raise ShapeError(f"gray takes a picture of 3 channels (RGB), found {shape[0]}")
        return shape

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of pictures (N,3,H,W)."""

        def gray(pictures: torch.Tensor) -> torch.Tensor:
            red, green, blue = pictures.unbind(1)
            luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue  # N,H,W
            return luma.unsqueeze(1).expand_as(pictures).contiguous()

        return gray
