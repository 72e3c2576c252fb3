"""`augment(x)`: DiffAugment, so that a discriminator cannot learn a tiny set of pictures by heart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError
from toonforge.ops.shapes import number, picture_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class Augment(Op):
    """DiffAugment (Zhao et al., 2020): colour and translation, different for each picture, differentiable.

    `augment(x)` uses the paper's ranges; `augment(x, 0.4)` uses 0.4 of them. Cut-outs are left out: they teach
    translators gray patches. To be put around reals and fakes alike, in both phases. In metrics, samples and
    translations it is the identity.
    """

    arguments: ClassVar[tuple[int, int | None]] = (1, 2)
    evaluation: ClassVar[str] = "identity"

    def shape(self, *inputs: Shape | float) -> Shape:
        """The first argument's shape."""
        if len(inputs) > 1 and not 0 <= number("augment", 2, inputs[1]) <= 1:
            raise ShapeError(f"argument 2 of augment is a share of the paper's ranges, 0 to 1, found {inputs[1]}")
        return picture_shape("augment", 1, inputs[0])

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of pictures (N,C,H,W) and the strength."""
        import torch

        def augment(x: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
            count, _, height, width = x.shape
            brightness, saturation, contrast = (strength * (2 * torch.rand(3, count, 1, 1, 1) - 1)).to(
                x, non_blocking=True
            )
            x = x + 0.5 * brightness
            mean = x.mean(1, keepdim=True)
            x = mean + (1 + saturation) * (x - mean)
            mean = x.mean((1, 2, 3), keepdim=True)
            x = mean + (1 + 0.5 * contrast) * (x - mean)
            down, across = (round(strength * side / 8) for side in (height, width))
            if not down and not across:
                return x
            padded = torch.nn.functional.pad(x, (across, across, down, down))
            tops = torch.randint(2 * down + 1, (count,)).tolist()
            lefts = torch.randint(2 * across + 1, (count,)).tolist()
            cut = [p[:, t : t + height, u : u + width] for p, t, u in zip(padded, tops, lefts)]
            return torch.stack(cut)

        return augment
