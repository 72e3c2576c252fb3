"""`pixel-l1`: how far translated pictures are from their pairs, for data sets that have pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import Metric, Shape, component, param
from toonforge.losses.shapes import same_shape
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch


@component
class PixelL1(Metric):
    """Mean absolute difference of paired pictures in [-1, 1]: 0 for equal ones, 2 for black against white.

    nan where no picture arrived.
    """

    together = ("input", "target")

    input: Expr = param(doc="translated pictures")
    target: Expr = param(doc="what each of them should be")

    def check(self, **shapes: Shape) -> None:
        """Both must have one shape."""
        same_shape(**shapes)

    def protocol(self) -> str:
        """The formula."""
        return "mean |input - target| over all pixels, channels and pictures, values in [-1, 1]"

    def build(self, device: torch.device) -> BuiltPixelL1:
        """An empty measurement."""
        return BuiltPixelL1()


class BuiltPixelL1:
    """Sums absolute differences in double precision, so that the order of batches does not matter."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `target` of one shape."""
        difference = (tensors["input"].double() - tensors["target"].double()).abs()
        self.total += float(difference.sum())
        self.count += difference.numel()

    def compute(self) -> Mapping[str, float]:
        """The mean so far."""
        return {"": self.total / self.count if self.count else float("nan")}
