"""The paper's Table 1 to the letter, where it differs from the network that its text names."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from toonforge.nn import Norm
from toonforge.nn.init import init_normal
from toonforge.nn.norms import norm_layer
from toonforge.nn.resnet import ResnetGenerator


class PrintedResnet(ResnetGenerator):
    """Table 1: the last convolution, too, is followed by a norm and ReLU, so that the network yields y >= 0.

    Pictures in [-1, 1] outside; inside the network sees (x + 1) / 2 in [0, 1], and 2y - 1 leaves it. Of y's range
    [0, inf) only [0, 1] is a picture: values above 1 (after `out` they exceed it wherever a channel is more than a
    deviation above its mean) keep their gradient in training and are cut off in use.
    Instance norm leaves each channel a mean of 0, so that about half of its pixels become black whatever the weights.

    Args:
        out_channels, norm, options: as of `ResnetGenerator`.
    """

    def __init__(self, in_channels: int = 3, out_channels: int = 3, *, norm: Norm = "instance", **options: Any) -> None:
        super().__init__(in_channels, out_channels, norm=norm, **options)
        self.out = nn.Sequential(norm_layer(norm, out_channels), nn.ReLU())
        init_normal(self.out)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Sides are multiples of 4, at least 8."""
        x = self.stem((x + 1) / 2)  # N,width,H,W
        x = self.up(self.blocks(self.down(x)))
        y: torch.Tensor = self.out(self.head(x))  # N,out_channels,H,W, at least 0
        return 2 * y - 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W) to (N,out_channels,H,W) for any H and W; at least -1, and at most 1 except in training."""
        y = super().forward(x)
        return y if self.training else y.clamp(max=1)
