"""Features of several sets of pictures, collected batch by batch: what KID, FID and content preservation share.

Needs no torch to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from typing_extensions import Self

    from toonforge.metrics.extractor import Extractor
    from toonforge.metrics.frechet import Gaussian


class FeatureSet:
    """The features of one set of pictures, and the Gaussian fitted to them once it was asked for."""

    def __init__(self) -> None:
        self._parts: list[torch.Tensor] = []
        self._gaussian: Gaussian | None = None

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def add(self, features: torch.Tensor) -> None:
        """Take the features (n,d) of some more pictures."""
        self._parts.append(features)
        self._gaussian = None

    @property
    def features(self) -> torch.Tensor:
        """All of them, (n,d), in the order they came; n is at least 1."""
        import torch

        if len(self._parts) > 1:
            self._parts = [torch.cat(self._parts)]
        return self._parts[0]

    @property
    def gaussian(self) -> Gaussian | None:
        """Their Gaussian; None for fewer than two pictures."""
        from toonforge.metrics.frechet import fitted

        if self._gaussian is None and len(self) > 1:
            self._gaussian = fitted(self.features)
        return self._gaussian


class FeatureSets:
    """Collects features by the name of their set; pictures are let go of at once.

    Args:
        extractor: pictures (N,3,H,W) in [-1, 1] to features (N,d), float32 on the CPU.
        protocol: how the number is made, with the weights that the extractor has loaded.
    """

    def __init__(self, extractor: Extractor, protocol: str = "") -> None:
        self.extractor, self._protocol = extractor, protocol
        self._sets: dict[str, FeatureSet] = {}
        self._kept: frozenset[str] = frozenset()

    def update(self, **tensors: torch.Tensor) -> None:
        """Take pictures (N,3,H,W) in [-1, 1] by set, in one call or in several.

        Raises:
            ValueError: pictures of a set that was kept: it has them already, and shares them.
        """
        for name, pictures in tensors.items():
            if name in self._kept:
                raise ValueError(f"the set {name} was kept: its pictures must not arrive again")
            self._sets.setdefault(name, FeatureSet()).add(self.extractor(pictures))

    def again(self, kept: frozenset[str]) -> Self:
        """An empty measurement that has these sets already, and what was worked out of them."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._sets = {name: self._sets[name] for name in kept if name in self._sets}
        other._kept = kept
        return other

    def protocol(self) -> str:
        """How the number is made: see `toonforge.components.KnowsProtocol`."""
        return self._protocol

    def set(self, name: str) -> FeatureSet:
        """The set of this name, empty where no picture of it arrived."""
        return self._sets.get(name, FeatureSet())
