"""The shift of colours that AnimeGANv2 gives to frames before its discriminator sees them. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class Shift(Op):
    """Adds levels of 255 to red, green and blue; not clamped.

    `shift(anime, -4.4661, -8.6698, 13.1360)` takes the yellow cast out of the authors' frames of Hayao's films.
    """

    arguments: ClassVar[tuple[int, int | None]] = (4, 4)

    def shape(self, *inputs: Shape | float) -> Shape:
        """The picture's, which must be RGB."""
        picture, *levels = inputs
        if not isinstance(picture, tuple) or len(picture) != 3 or picture[0] != 3:
            raise ShapeError("shift takes an RGB picture first")
        if any(isinstance(level, tuple) for level in levels):
            raise ShapeError("shift takes three numbers after the picture: levels of red, green and blue")
        return picture

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of (N,3,H,W) in [-1, 1] and three numbers."""

        def shift(x: torch.Tensor, red: float, green: float, blue: float) -> torch.Tensor:
            return x + x.new_tensor([red, green, blue]).view(3, 1, 1) / 127.5

        return shift
