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

    Results: "" for `generated` against `reference`, and "std", its standard error. Both are nan where one of the sets
    has fewer than two pictures.

    It is the unbiased squared MMD over the whole sets with the kernel (x.y / 1280 + 1)^3, of the pooled features of
    EfficientNet-Lite0 (ImageNet), of pictures resized to a square of `size` (bilinear, antialiased); the standard error
    is the jackknife's. Not comparable with KID on Inception features.
    """

    translated = "generated"

    generated: Expr = param(doc="translated pictures")
    reference: Expr = param(doc="real pictures of the target domain")

    def protocol(self) -> str:
        """Scale, extractor, resize, and what the number must not be compared with."""
        return (
            f"KID x {SCALE} on EfficientNet-Lite0's features at {self.size}x{self.size}, not comparable with KID on "
            "Inception's; ± is the jackknife's standard error"
        )

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """Why it is nan."""
        return too_few(pictures, "KID needs")

    def build(self, device: torch.device) -> BuiltKID:
        """An empty measurement; `ToonforgeError` where the weights are not installed."""
        return BuiltKID(self.extractor(device))


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
