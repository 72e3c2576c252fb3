"""`cosine-dissimilarity`: the angle between translated pictures and their pairs, for data sets that have pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import component
from toonforge.metrics.pairs import Mean, PairMetric

if TYPE_CHECKING:
    import torch


@component
class CosineDissimilarity(PairMetric):
    """1 - cosine of two pictures' pixels in [0, 1], flattened, mean over the pairs; 0 for equal ones.

    It reads a picture as one vector, so that a picture and a darker copy of it differ by nothing. Equation 5 of the
    source ranges over [0, 2]; pixels in [0, 1] have no negative products, so these values stay in [0, 1]. A black
    picture has no direction: 0 beside another black one, 1 beside any other. nan where no picture arrived.

    Source: cGANs for Cartoon to Real-life Images, section 4.6.1.
    """

    def protocol(self) -> str:
        """The formula."""
        return (
            "mean over pictures of 1 - x.y / (|x| |y|), translation x and target y each as one vector of all pixels "
            "and channels in [0, 1]"
        )

    def build(self, device: torch.device) -> BuiltCosineDissimilarity:
        """An empty measurement."""
        return BuiltCosineDissimilarity()


class BuiltCosineDissimilarity:
    """Sums over pictures in double precision, so that the order of batches does not matter."""

    def __init__(self) -> None:
        self.mean = Mean()

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `target` of one shape (N,C,H,W), in [-1, 1]."""
        x, y = ((tensors[key].double().flatten(1) + 1) / 2 for key in ("input", "target"))
        lengths = x.norm(dim=1) * y.norm(dim=1)
        cosine = (x * y).sum(1) / lengths.clamp_min(1e-300)
        cosine = cosine.where(lengths > 0, (x.norm(dim=1) == y.norm(dim=1)).double())
        self.mean.add(float((1 - cosine).clamp_min(0).sum()), len(x))

    def compute(self) -> Mapping[str, float]:
        """The mean so far."""
        return {"": self.mean.value}
