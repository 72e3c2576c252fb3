"""Pictures to feature vectors: each tensor once, however many metrics ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.weak import WeakIdKeyDictionary

from toonforge.metrics.weights_file import changed_at
from toonforge.nn.efficientnet_lite import EfficientNetLite0, trained

BATCH = 16

Network = TypeVar("Network")


class Extractor:
    """Pooled features of pictures, remembered as long as the tensor that held the pictures lives.

    A batch that several metrics take (the translated pictures of KID, FID and content preservation) is extracted once.
    Tensors must not be changed in place between.

    Args:
        device: where to compute; features come back on the CPU.
        network: (N,3,H,W) in [-1, 1], float32 on that device, to (N,d).
        weights: the network's weights in words, as they were when they were loaded; empty where nobody says.
    """

    def __init__(self, device: torch.device, network: Callable[[Tensor], Tensor], weights: str = "") -> None:
        self.device, self.network, self.weights = device, network, weights
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N,3,H,W) or (N,1,H,W) in [-1, 1] to (N,d), float32 on the CPU."""
        if pictures not in self._known:
            self._known[pictures] = self._extracted(pictures)
        features: Tensor = self._known[pictures]
        return features

    @torch.no_grad()
    def _extracted(self, pictures: Tensor) -> Tensor:
        parts = []
        for batch in torch.split(pictures, BATCH):
            batch = batch.to(self.device, torch.float32).expand(-1, 3, -1, -1)
            parts.append(self.network(batch).float().cpu())
        return torch.cat(parts)


class Lite0Features:
    """EfficientNet-Lite0's, of pictures resized to a square of `size` pixels, bilinear with antialiasing."""

    def __init__(self, network: EfficientNetLite0, size: int) -> None:
        self.network, self.size = network.requires_grad_(False), size

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N,3,H,W) in [-1, 1] to (N,1280)."""
        if pictures.shape[-2:] != (self.size, self.size):
            pictures = resize(pictures, self.size)
        return self.network.pooled(pictures)


def resize(pictures: Tensor, size: int) -> Tensor:
    """(N,C,H,W) to (N,C,size,size), bilinear with antialiasing (as Pillow filters, without its rounding)."""
    return functional.interpolate(pictures, (size, size), mode="bilinear", antialias=True, align_corners=False)


def lite0(device: torch.device, size: int, said: Callable[[], str] = str) -> Extractor:
    """EfficientNet-Lite0's extractor; `ToonforgeError` where the weights are not installed.

    Args:
        said: yields the weights in words, asked where they have just been loaded.
    """
    network = shared(("efficientnet-lite0", device), lambda: trained().to(device))
    return shared(("efficientnet-lite0", device, size), lambda: Extractor(device, Lite0Features(network, size), said()))


def inception(device: torch.device, weights: Path | None, said: Callable[[], str] = str) -> Extractor:
    """Inception's extractor, from a file or from torch-fidelity's own.

    Args:
        said: yields the weights in words, asked where they have just been loaded.

    Raises:
        ToonforgeError: torch-fidelity is missing, or weights cannot be had or do not fit.
    """
    from toonforge.metrics.inception import Inception

    return shared(
        ("inception", device, weights and changed_at(weights)),
        lambda: Extractor(device, Inception(device, weights), said()),
    )


_shared: WeakValueDictionary[tuple[object, ...], object] = WeakValueDictionary()


def shared(key: tuple[object, ...], make: Callable[[], Network]) -> Network:
    """What `make` makes, made once and shared as long as anybody holds it; the global random state is left alone."""
    found = _shared.get(key)
    if found is None:
        with torch.random.fork_rng(devices=[]):
            found = _shared[key] = make()
    return found  # type: ignore[return-value]
