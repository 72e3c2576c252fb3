"""`fid` and `weighted-fid`: how far the distribution of translated pictures lies from others, as one Gaussian each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.metrics.feature_metric import FeatureMetric, too_few
from toonforge.metrics.feature_sets import FeatureSet, FeatureSets
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch

    from toonforge.metrics.extractor import Extractor

ADVISED = 10_000
"""The fewest pictures that the authors of FID advise (Heusel et al., 2017; the README of their code, TTUR)."""


def _cautions(pictures: Mapping[str, int]) -> tuple[str, ...]:
    """What both say of the number of pictures."""
    nan = too_few(pictures, "a Gaussian needs")
    fewest = min(pictures.values(), default=0)
    if nan or fewest >= ADVISED:
        return nan
    return (
        f"FID of {fewest:,} pictures is biased upwards (its authors advise {ADVISED:,} or more): compare it only with "
        "FID of as many, and prefer kid, which is unbiased",
    )


@component
class FID(FeatureMetric):
    """Fréchet inception distance on the features of a named network; lower is nearer.

    It is the squared Fréchet distance of Gaussians fitted to the pooled features of two sets of pictures; covariances
    over n - 1, float64. Compare it on one extractor and for as many pictures only: below some thousand it is biased
    upwards, the more the fewer they are. Published numbers are on Inception's features: features = "inception".

    Result: "" for `generated` against `reference`. nan where one of the sets has fewer than two pictures, or features
    that are not finite.

    Own code, since torch-fidelity and torchmetrics form covariances and take eigenvalues of their product: slow for few
    pictures (d x d numbers, however few), and less exact there. Checked against torch-fidelity's.

    Source: GANs Trained by a Two Time-Scale Update Rule (Heusel et al., 2017).
    """

    translated = "generated"

    generated: Expr = param(doc="translated pictures")
    reference: Expr = param(doc="real pictures of the target domain")

    def formula(self) -> str:
        """Distance, and whose features."""
        return f"FID on {self.network}'s features"

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """Why it is nan, or that it is biased."""
        return _cautions(pictures)

    def build(self, device: torch.device) -> BuiltFID:
        """An empty measurement; `ToonforgeError` where weights cannot be had."""
        extractor = self.extractor(device)
        return BuiltFID(extractor, self.protocol_of(extractor))


@component
class WeightedFID(FeatureMetric):
    """Toon2real's: FID to the target domain and FID to the input pictures, averaged with weights; lower is better.

    The first asks for the look of the target, the second for the content of the input. The untranslated pictures score
    the first alone: their FID to themselves is 0. All that is said of `fid` holds.

    Results: "" for the weighted mean, "target" and "input" for its parts. nan as for `fid`.

    Source: Toon2real, section 4, "Evaluation metric".
    """

    translated = "generated"

    generated: Expr = param(doc="translated pictures")
    target: Expr = param(doc="real pictures of the target domain")
    input: Expr = param(doc="the untranslated pictures")
    target_weight: float = param(
        0.8,
        doc="share of the distance to the target; the rest is the distance to the input",
        at_least=0,
        at_most=1,
        source='Toon2real, section 4, "Evaluation metric"',
    )

    def formula(self) -> str:
        """Weights of both distances, and whose features."""
        rest = 1 - self.target_weight
        mean = f"{self.target_weight:g} x FID to the target + {rest:g} x FID to the input"
        return f"{mean}, on {self.network}'s features"

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """Why it is nan, or that it is biased."""
        return _cautions(pictures)

    def build(self, device: torch.device) -> BuiltWeightedFID:
        """An empty measurement; `ToonforgeError` where weights cannot be had."""
        extractor = self.extractor(device)
        return BuiltWeightedFID(extractor, self.target_weight, self.protocol_of(extractor))


class BuiltFID(FeatureSets):
    """Collects features, and fits a Gaussian to each set when asked."""

    def compute(self) -> Mapping[str, float]:
        """The value so far."""
        return {"": _distance(self.set("generated"), self.set("reference"))}


class BuiltWeightedFID(FeatureSets):
    """The same with two references.

    Args:
        target_weight: share of the distance to the target, from 0 to 1.
    """

    def __init__(self, extractor: Extractor, target_weight: float, protocol: str = "") -> None:
        super().__init__(extractor, protocol)
        self.target_weight = target_weight

    def compute(self) -> Mapping[str, float]:
        """The values so far."""
        target, input = (_distance(self.set("generated"), self.set(name)) for name in ("target", "input"))
        return {
            "": self.target_weight * target + (1 - self.target_weight) * input,
            "target": target,
            "input": input,
        }


def _distance(first: FeatureSet, second: FeatureSet) -> float:
    """The distance of two sets, nan where one is too small."""
    from toonforge.metrics.frechet import frechet_distance

    x, y = first.gaussian, second.gaussian
    return frechet_distance(x, y) if x is not None and y is not None else float("nan")
