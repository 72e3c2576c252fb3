"""`noise(x, std)`: normal noise on what a network sees in training, to smooth a discriminator or break symmetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError
from toonforge.ops.shapes import number, tensor_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class Noise(Op):
    """Add normal noise of standard deviation `std` (pictures are in [-1, 1]); not clamped.

    Two expressions of one text share what they draw in a step. `noise(x, std, 2)` is another draw than `noise(x, std)`
    and `noise(x, std, 1)`: any number names one. In metrics, samples and translations it is the identity.
    """

    arguments: ClassVar[tuple[int, int | None]] = (2, 3)
    evaluation: ClassVar[str] = "identity"

    def shape(self, *inputs: Shape | float) -> Shape:
        """The first argument's shape."""
        std = number("noise", 2, inputs[1])
        if std < 0:
            raise ShapeError(f"argument 2 of noise is a standard deviation, 0 or more, found {std:g}")
        for which in inputs[2:]:
            number("noise", 3, which)
        return tensor_shape("noise", 1, inputs[0])

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of the tensor, the standard deviation, and the name of the draw, which alone changes nothing: the
        engine seeds each call by the text of its expression."""
        import torch

        def noise(pictures: torch.Tensor, std: float, which: float = 1) -> torch.Tensor:
            return pictures + std * torch.randn_like(pictures)

        return noise
