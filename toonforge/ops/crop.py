"""`crop(x, like)`: the middle of a picture, as large as another one, after networks that want certain sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError
from toonforge.ops.shapes import picture_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class Crop(Op):
    """The middle of `x`, of the height and width of `like`, whose values do not matter.

    An encoder that halves sides pads a picture up to a multiple first, and what a decoder makes of its code is as large
    as the padded picture: `crop(G(E(photo)), photo)` is what belongs to the photograph, whatever its size. Where both
    have one size nothing changes.
    """

    arguments: ClassVar[tuple[int, int | None]] = (2, 2)

    def shape(self, *inputs: Shape | float) -> Shape:
        """The channels of the first, the height and width of the second, which must not be larger."""
        channels, height, width = picture_shape("crop", 1, inputs[0])
        _, rows, columns = picture_shape("crop", 2, inputs[1])
        if rows > height or columns > width:
            raise ShapeError(
                f"crop takes the middle of its argument 1: {height}x{width} has no part of {rows}x{columns}, the size "
                "of argument 2"
            )
        return (channels, rows, columns)

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of (N,C,H,W) and the tensor whose size is wanted."""
        from toonforge.nn.padding import middle

        return lambda x, like: middle(x, *like.shape[-2:])
