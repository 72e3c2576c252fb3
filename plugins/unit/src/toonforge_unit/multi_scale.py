"""UNIT's discriminator as its authors' code has it (mingyuliutw/UNIT, networks.py, `MsImageDis`).

Of each scale C64-C128-C256-C512, all 4x4 with stride 2, LeakyReLU of slope 0.2 and no norm, then a 1x1 convolution to
one channel. Every convolution has a bias; first weights are N(0, 0.02).
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn import Padding
from toonforge.nn.init import init_normal
from toonforge.nn.upsampling import conv


class MultiScaleDiscriminator(nn.Module):
    """Pictures (N,in_channels,H,W) and the number of a scale to logits (N,1,H',W').

    A call computes one scale alone, so that a recipe has one loss term for each.

    Args:
        scales: how many networks there are, each for half the size of the one before.
        layers: strided convolutions of each.
        width: channels of the first one; they double at each.
        padding: of the strided convolutions.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        *,
        scales: int = 3,
        layers: int = 4,
        width: int = 64,
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()

        def patches() -> nn.Sequential:
            stages: list[nn.Module] = []
            inputs = in_channels
            for layer in range(layers):
                outputs = 2**layer * width
                stages += [conv(inputs, outputs, 4, padding, stride=2), nn.LeakyReLU(0.2, inplace=True)]
                inputs = outputs
            return nn.Sequential(*stages, nn.Conv2d(inputs, 1, 1))

        self.scales = nn.ModuleList(patches() for _ in range(scales))
        # The mean of those of 3x3 pixels that there are: what lies beyond the border counts for nothing.
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        init_normal(self)

    def forward(self, x: torch.Tensor, scale: int) -> torch.Tensor:
        """Logits of the picture halved `scale` times, never probabilities."""
        for _ in range(scale):
            x = self.halve(x)
        logits: torch.Tensor = self.scales[scale](x)
        return logits
