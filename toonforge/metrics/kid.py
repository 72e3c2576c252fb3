"""`kid`: how far translated pictures lie from the target domain, without a bias from how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.metrics.feature_metric import FeatureMetric, too_few
from toonforge.metrics.feature_sets import FeatureSets
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch

SCALE = 1000


@component
class KID(FeatureMetric):
    """Kernel inception distance times 1000, on the features of a named network; lower is nearer.

    It is the unbiased squared MMD of the pooled features (d numbers a picture) of two sets of pictures, with the kernel
    (x.y / d + 1)^3: right on average for any number of pictures, so that it may fall below 0 for sets of one kind. That
    holds of independent sets: the same or paired pictures in both draw it below 0. Compare it on one extractor only.

    Results: "" for `generated` against `reference`, and "std", its standard error: the jackknife's, each picture left
    out in turn. Both are nan where one of the sets has fewer than two pictures, or features that are not finite.

    Own code, since torch-fidelity and torchmetrics average over random subsets: this takes the whole sets and depends
    on no draw. Checked against torch-fidelity's for one subset that is the whole set.

    Source: Demystifying MMD GANs (Binkowski et al., 2018).
    """

    translated = "generated"
    independent = ("generated", "reference")

    generated: Expr = param(doc="translated pictures")
    reference: Expr = param(doc="real pictures of the target domain")

    def formula(self) -> str:
        """Scale, whose features, and what ± stands for."""
        kid = f"KID x {SCALE} on {self.network}'s features, unbiased, over the whole sets"
        return f"{kid}; ± is the jackknife's standard error"

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """Why it is nan."""
        return too_few(pictures, "KID needs")

    def build(self, device: torch.device) -> BuiltKID:
        """An empty measurement; `ToonforgeError` where weights cannot be had."""
        extractor = self.extractor(device)
        return BuiltKID(extractor, self.protocol_of(extractor))


class BuiltKID(FeatureSets):
    """Collects features, and compares the sets when asked."""

    def compute(self) -> Mapping[str, float]:
        """The value so far and its standard error, times 1000."""
        from toonforge.metrics.mmd import polynomial_mmd

        generated, reference = self.set("generated"), self.set("reference")
        if min(len(generated), len(reference)) < 2:
            return {"": float("nan"), "std": float("nan")}
        mmd = polynomial_mmd(generated.features, reference.features)
        return {"": SCALE * mmd.value, "std": SCALE * mmd.std}
