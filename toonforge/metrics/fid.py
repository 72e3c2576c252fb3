"""`fid` and `weighted-fid`: how far the distribution of translated pictures lies from others, as one Gaussian each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.metrics.feature_sets import FeatureMetric, FeatureSets
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch

    from toonforge.metrics.extractor import Extractor


def _protocol(size: int) -> str:
    """What both say of the distance."""
    return (
        f"FID on EfficientNet-Lite0's features at {size}x{size}, not comparable with FID on Inception's; "
        "biased upwards for few pictures: compare sets of one size only"
    )


@component
class FID(FeatureMetric):
    """Fréchet inception distance on the features of a named network; lower is nearer.

    Results: "" for `generated` against `reference`, "baseline" for `baseline` against `reference`, "pictures" for the
    size of the smallest set. A value is nan where one of its sets has fewer than two pictures, or features that are
    not finite.

    It is the squared Fréchet distance of Gaussians fitted to the sets' pooled features of EfficientNet-Lite0
    (ImageNet), of pictures resized to a square of `size` (bilinear, antialiased); covariances over n - 1, float64. Not
    comparable with FID on Inception features, nor between sets of different sizes: below some thousand pictures it is
    biased upwards, the more the fewer they are.
    """

    generated: Expr = param(doc="translated pictures")
    reference: Expr = param(doc="real pictures of the target domain")
    baseline: Expr | None = param(None, doc="what to measure beside it: the untranslated input")

    def protocol(self) -> str:
        """Extractor, resize, and what the number must not be compared with."""
        return _protocol(self.size)

    def build(self, device: torch.device) -> BuiltFID:
        """An empty measurement; `ToonforgeError` where the weights are not installed."""
        return BuiltFID(self.extractor(device))


@component
class WeightedFID(FeatureMetric):
    """Toon2real's: FID to the target domain and FID to the input pictures, averaged with weights; lower is better.

    The first asks for the look of the target, the second for the content of the input. Results: "" for the weighted
    mean, "target" and "input" for its parts, "baseline" for what the untranslated input would score (its FID to itself
    is 0), "pictures" for the size of the smallest set. nan and comparisons as for `fid`.
    """

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

    def protocol(self) -> str:
        """Weights, extractor, resize, and what the number must not be compared with."""
        rest = 1 - self.target_weight
        return f"{self.target_weight:g} x FID to the target + {rest:g} x FID to the input; {_protocol(self.size)}"

    def build(self, device: torch.device) -> BuiltWeightedFID:
        """An empty measurement; `ToonforgeError` where the weights are not installed."""
        return BuiltWeightedFID(self.extractor(device), self.target_weight)


class BuiltFID(FeatureSets):
    """Collects features, and fits a Gaussian to each set when asked."""

    def compute(self) -> Mapping[str, float]:
        """The values so far."""
        compared = ["generated", "baseline"] if "baseline" in self.features else ["generated"]
        results = dict(zip(("", "baseline"), _distances(self, [(name, "reference") for name in compared])))
        return results | {"pictures": float(self.pictures(*compared, "reference"))}


class BuiltWeightedFID(FeatureSets):
    """The same with two references.

    Args:
        target_weight: share of the distance to the target, from 0 to 1.
    """

    def __init__(self, extractor: Extractor, target_weight: float) -> None:
        super().__init__(extractor)
        self.target_weight = target_weight

    def compute(self) -> Mapping[str, float]:
        """The values so far."""
        target, input, untranslated = _distances(
            self, [("generated", "target"), ("generated", "input"), ("input", "target")]
        )
        return {
            "": self.target_weight * target + (1 - self.target_weight) * input,
            "target": target,
            "input": input,
            "baseline": self.target_weight * untranslated,
            "pictures": float(self.pictures("generated", "target", "input")),
        }


def _distances(sets: FeatureSets, pairs: list[tuple[str, str]]) -> list[float]:
    """The distance of each pair of sets, nan where one is too small; each set's Gaussian is fitted once."""
    from toonforge.metrics.frechet import Gaussian, fitted, frechet_distance

    gaussians: dict[str, Gaussian | None] = {}
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        features = sets.of(name)
        gaussians[name] = fitted(features[0]) if features is not None else None
    distances = []
    for first, second in pairs:
        x, y = gaussians[first], gaussians[second]
        distances.append(frechet_distance(x, y) if x is not None and y is not None else float("nan"))
    return distances
