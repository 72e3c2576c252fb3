"""`content-preservation`: is what a picture shows still there after its translation?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import component, param
from toonforge.metrics.feature_metric import FeatureMetric
from toonforge.metrics.feature_sets import FeatureSets
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch


@component
class ContentPreservation(FeatureMetric):
    """Mean cosine of the pooled features of a picture and of its translation; higher keeps more of the content.

    A network trained to tell what pictures show sees the same in both: 1 where it sees no difference. So the
    untranslated pictures score 1, by construction: this number says what a translation cost, and nothing of whether it
    was worth it. Read it beside `kid`. Compare it on one extractor only.

    Result: "" for the mean, from -1 to 1. nan where no picture arrived, or features are not finite.
    """

    lower_is_better: ClassVar[bool | None] = False
    together = ("input", "output")
    translated = "output"

    input: Expr = param(doc="the untranslated pictures")
    output: Expr = param(doc="their translations")

    def formula(self) -> str:
        """Mean of what, and whose features."""
        return f"mean over pictures of the cosine of {self.network}'s features of input and translation"

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """Why it is nan: no picture arrived."""
        return () if min(pictures.values(), default=0) else ("nan: no picture arrived",)

    def build(self, device: torch.device) -> BuiltContentPreservation:
        """An empty measurement; `ToonforgeError` where weights cannot be had."""
        extractor = self.extractor(device)
        return BuiltContentPreservation(extractor, self.protocol_of(extractor))


class BuiltContentPreservation(FeatureSets):
    """Collects both pictures' features in the order they come, so that the untranslated ones can be kept."""

    def compute(self) -> Mapping[str, float]:
        """The mean so far."""
        before, after = self.set("input"), self.set("output")
        if not len(before):
            return {"": float("nan")}
        if len(before) != len(after):
            raise ValueError(f"{len(before)} pictures and {len(after)} translations do not pair up")
        x, y = before.features.double(), after.features.double()
        lengths = x.norm(dim=1) * y.norm(dim=1)
        cosine = (x * y).sum(1) / lengths.clamp_min(1e-300)
        # A picture that the network sees nothing in has no direction: 1 beside another such, 0 beside any other.
        return {"": float(cosine.where(lengths != 0, (x.norm(dim=1) == y.norm(dim=1)).double()).mean())}
