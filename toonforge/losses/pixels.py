"""Losses between two tensors of one shape, or over the pixels of one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toonforge.components import Loss, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.losses.shapes import a_picture, same_shape
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class L1(Loss):
    """Mean absolute difference: cycle consistency, identity, paired reconstruction."""

    draws = False

    input: Expr = param(doc="what was made")
    target: Expr = param(doc="what it should be, of the same shape")

    def check(self, **shapes: Shape) -> None:
        """Both must have one shape."""
        same_shape(**shapes)

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `input` and `target`."""
        from torch.nn import functional

        def l1(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return functional.l1_loss(input, target)

        return l1


@component
class L2(Loss):
    """Mean squared difference."""

    draws = False

    input: Expr = param(doc="what was made")
    target: Expr = param(doc="what it should be, of the same shape")

    def check(self, **shapes: Shape) -> None:
        """Both must have one shape."""
        same_shape(**shapes)

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `input` and `target`."""
        from torch.nn import functional

        def l2(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return functional.mse_loss(input, target)

        return l2


@component
class TotalVariation(Loss):
    """Total variation: differences of neighbouring pixels, averaged down and across and added; smooths a picture."""

    draws = False

    input: Expr = param(doc="a picture")
    norm: Literal["l1", "l2"] = param("l1", doc='"l1" averages absolute differences, "l2" squared ones')

    def check(self, **shapes: Shape) -> None:
        """The picture must have neighbours in both directions."""
        shape = shapes["input"]
        a_picture("input", shape)
        if min(shape[1:]) < 2:
            raise ShapeError(f"input is {shape[1]}x{shape[2]}: total variation needs at least 2 pixels a side")

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `input` (N,C,H,W)."""
        squared = self.norm == "l2"

        def total_variation(input: torch.Tensor) -> torch.Tensor:
            down = input[..., 1:, :] - input[..., :-1, :]
            across = input[..., :, 1:] - input[..., :, :-1]
            if squared:
                return down.square().mean() + across.square().mean()
            return down.abs().mean() + across.abs().mean()

        return total_variation
