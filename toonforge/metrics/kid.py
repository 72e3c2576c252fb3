"""`kid`: how far translated pictures lie from the target domain, beside the untranslated ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.metrics.feature_sets import FeatureMetric, FeatureSets
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch

SCALE = 1000


@component
class KID(FeatureMetric):
    """Kernel inception distance times 1000, on the features of a named network; lower is nearer.

    Results: "" for `generated` against `reference` and "std", its standard error; "baseline" and "baseline_std" for
    `baseline` against `reference`. A value is nan where one of its sets has fewer than two pictures.

    It is the unbiased squared MMD over the whole sets with the kernel (x.y / 1280 + 1)^3, of the pooled features of
    EfficientNet-Lite0 (ImageNet), of pictures resized to a square of `size` (bilinear, antialiased); the standard error
    is the jackknife's. Not comparable with KID on Inception features.
    """

    generated: Expr = param(doc="translated pictures")
    reference: Expr = param(doc="real pictures of the target domain")
    baseline: Expr | None = param(None, doc="what to measure beside it: the untranslated input")

    def protocol(self) -> str:
        """Scale, extractor, resize, and what the number must not be compared with."""
        return (
            f"KID x {SCALE} on EfficientNet-Lite0's features at {self.size}x{self.size}, not comparable with KID on "
            "Inception's; ± is the jackknife's standard error"
        )

    def build(self, device: torch.device) -> BuiltKID:
        """An empty measurement; `ToonforgeError` where the weights are not installed."""
        return BuiltKID(self.extractor(device))


class BuiltKID(FeatureSets):
    """Collects features, and compares the sets when asked."""

    def compute(self) -> Mapping[str, float]:
        """The values so far, times 1000."""
        results = dict(zip(("", "std"), self._distance("generated"), strict=True))
        if "baseline" in self.features:
            results |= zip(("baseline", "baseline_std"), self._distance("baseline"), strict=True)
        return results

    def _distance(self, key: str) -> tuple[float, float]:
        from toonforge.metrics.mmd import polynomial_mmd

        sets = self.of(key, "reference")
        if sets is None:
            return float("nan"), float("nan")
        mmd = polynomial_mmd(*sets)
        return SCALE * mmd.value, SCALE * mmd.std
