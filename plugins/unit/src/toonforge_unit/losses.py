"""UNIT's own losses: how far codes are from a normal distribution, and what must stay the same under translation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge import Expr
from toonforge.components import Loss, Shape, component, param
from toonforge.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class KL(Loss):
    """The mean of an encoder's squared means: its codes' divergence from N(0, 1), up to factor and constant.

    For a normal distribution of mean mu and deviation 1 the divergence is mu^2 / 2; the authors' code leaves the half
    to the weight, and takes the mean over all numbers of a code where the divergence is their sum.
    """

    draws = False

    mean: Expr = param(doc="what an encoder says, any shape")

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `mean`."""

        def kl(mean: torch.Tensor) -> torch.Tensor:
            return mean.square().mean()

        return kl


@component
class Perceptual(Loss):
    """Domain-invariant perceptual loss: mean squared difference of feature maps that are normalised first.

    Instance norm takes each channel's mean and deviation, and so much of a domain's style, out of both maps. With
    VGG16's: `unit/perceptual` between `V(fake_photo)` and `V(cartoon)`.
    """

    draws = False

    input: Expr = param(doc="the feature map of the translation")
    target: Expr = param(doc="the feature map of what was translated, of the same shape")

    def check(self, **shapes: Shape) -> None:
        """Both must be maps (channels, height, width) of one shape and of more than one place."""
        for key, shape in shapes.items():
            if len(shape) != 3 or shape[1] * shape[2] < 2:
                found = "x".join(map(str, shape)) or "a number"
                raise ShapeError(f"{key} must be a feature map of at least two places, found {found}")
        if shapes["input"] != shapes["target"]:
            found = " and ".join("x".join(map(str, shape)) for shape in shapes.values())
            raise ShapeError(f"input and target must have one shape, found {found}")

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `input` and `target` (N,C,H,W)."""
        from torch.nn import functional

        def perceptual(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return functional.mse_loss(functional.instance_norm(input), functional.instance_norm(target))

        return perceptual
