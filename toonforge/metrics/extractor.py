"""Pictures to feature vectors, resized alike whoever asks."""

from __future__ import annotations

import torch
from torch.nn import functional

from toonforge.nn.efficientnet_lite import EfficientNetLite0, trained

BATCH = 16


class Extractor:
    """EfficientNet-Lite0's pooled features of pictures resized to a square.

    Args:
        device: where to compute; features come back on the CPU.
        size: side in pixels that pictures are resized to, bilinear with antialiasing.
        network: the trained network by default.
    """

    def __init__(self, device: torch.device, size: int = 224, network: EfficientNetLite0 | None = None) -> None:
        self.size = size
        self.device = device
        self.network = (network or trained()).to(device).requires_grad_(False)

    @torch.no_grad()
    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(N,3,H,W) in [-1, 1] to (N,1280), float32 on the CPU."""
        parts = []
        for batch in torch.split(pictures, BATCH):
            batch = batch.to(self.device, torch.float32)
            if batch.shape[-2:] != (self.size, self.size):
                batch = resize(batch, self.size)
            parts.append(self.network.pooled(batch).cpu())
        return torch.cat(parts)


def resize(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """(N,C,H,W) to (N,C,size,size), bilinear with antialiasing (as Pillow filters, without its rounding)."""
    return functional.interpolate(pictures, (size, size), mode="bilinear", antialias=True, align_corners=False)
