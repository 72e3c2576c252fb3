"""What metrics of pairs share: a translation and its target, and a mean over what is measured of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import Metric, Shape, component, param
from toonforge.losses.shapes import same_shape
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch


@component
class PairMetric(Metric):
    """A metric that compares each translated picture with the one it should be."""

    together = ("input", "target")
    translated = "input"

    input: Expr = param(doc="translated pictures")
    target: Expr = param(doc="the real picture that each of them should be")

    def check(self, **shapes: Shape) -> None:
        """Both must have one shape."""
        same_shape(**shapes)

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """Why it is nan: no pair arrived."""
        return () if min(pictures.values(), default=0) else ("nan: no pair of pictures arrived",)


class Mean:
    """A running mean in double precision, so that the order of batches does not matter."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def add(self, total: float, count: int) -> None:
        """Take the sum of so many values."""
        self.total += total
        self.count += count

    @property
    def value(self) -> float:
        """The mean so far, nan of nothing."""
        return self.total / self.count if self.count else float("nan")


def unit_range(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in [-1, 1], clamped to it as files are, in [0, 1]: float64 on the CPU."""
    return (pictures.detach().cpu().double().clamp(-1, 1) + 1) / 2
