"""`pixel-l1`: how far translated pictures are from their pairs, for data sets that have pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import component
from toonforge.metrics.pairs import Mean, PairMetric

if TYPE_CHECKING:
    import torch


@component
class PixelL1(PairMetric):
    """Mean absolute difference of paired pictures in [-1, 1]: 0 for equal ones, 2 for black against white.

    nan where no picture arrived.
    """

    def protocol(self) -> str:
        """The formula."""
        return "mean |translation - target| over all pixels, channels and pictures, values in [-1, 1]"

    def build(self, device: torch.device) -> BuiltPixelL1:
        """An empty measurement."""
        return BuiltPixelL1()


class BuiltPixelL1:
    """Sums absolute differences in double precision, so that the order of batches does not matter."""

    def __init__(self) -> None:
        self.mean = Mean()

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `target` of one shape."""
        difference = (tensors["input"].double() - tensors["target"].double()).abs()
        self.mean.add(float(difference.sum()), difference.numel())

    def compute(self) -> Mapping[str, float]:
        """The mean so far."""
        return {"": self.mean.value}
