"""`cat(a, b, ...)`: pictures of one size stacked along their channels, as a conditional discriminator wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError
from toonforge.ops.shapes import picture_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class Cat(Op):
    """Stack two or more tensors along their channels."""

    arguments: ClassVar[tuple[int, int | None]] = (2, None)

    def shape(self, *inputs: Shape | float) -> Shape:
        """(sum of channels, H, W); all must have one height and width."""
        shapes = [picture_shape("cat", position, value) for position, value in enumerate(inputs, 1)]
        sizes = list(dict.fromkeys(shape[1:] for shape in shapes))
        if len(sizes) > 1:
            raise ShapeError(f"cat takes pictures of one size, found {' and '.join(f'{h}x{w}' for h, w in sizes)}")
        return (sum(shape[0] for shape in shapes), *sizes[0])

    def build(self) -> Callable[..., torch.Tensor]:
        """`torch.cat` along dimension 1."""
        import torch

        return lambda *tensors: torch.cat(tensors, dim=1)
