"""SingleGAN's discriminator (`D_NET_Multi` of the authors' code): a PatchGAN for each of several scales.

C64-C128-C256 and a last convolution to one channel, all 4x4, the last one of stride 1; no norms. Only the last one has
a bias.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge_singlegan.layers import init_xavier, normalise_convolutions


def conv(inputs: int, outputs: int, stride: int, bias: bool = False) -> nn.Conv2d:
    """A 4x4 convolution that sees the picture reflected beyond its border."""
    return nn.Conv2d(inputs, outputs, 4, stride, 1, bias=bias, padding_mode="reflect")


def patches(in_channels: int, width: int, layers: int) -> nn.Sequential:
    """Pictures to one logit for each overlapping patch."""
    stages: list[nn.Module] = []
    for layer in range(layers):
        inputs = min(2 ** (layer - 1), 8) * width if layer else in_channels
        stages += [conv(inputs, min(2**layer, 8) * width, 2), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*stages, conv(min(2 ** (layers - 1), 8) * width, 1, 1, bias=True))


class MultiScaleDiscriminator(nn.Module):
    """Pictures (N,in_channels,H,W) and the number of a scale to logits (N,1,H',W').

    Each scale has layers of its own, and a call computes those of one scale alone: spectral normalisation then makes
    one power iteration for each call, and none in layers that the call does not use.

    Args:
        width: channels of scale 0's first convolution; half as many at each further scale.
        layers: strided convolutions.
        scales: how many there are; at each the picture is half as large as at the one before.
        spectral: spectral normalisation of all convolutions.
    """

    any_layout = True

    def __init__(
        self, in_channels: int = 3, *, width: int = 64, layers: int = 3, scales: int = 2, spectral: bool = True
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(patches(in_channels, max(1, width // 2**n), layers) for n in range(scales))
        # The mean of those of 3x3 pixels that there are: what lies beyond the border counts for nothing.
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        init_xavier(self)
        if spectral:
            normalise_convolutions(self.modules())

    def forward(self, x: torch.Tensor, scale: int) -> torch.Tensor:
        """Logits of the picture halved `scale` times, never probabilities."""
        for _ in range(scale):
            x = self.halve(x)
        logits: torch.Tensor = self.scales[scale](x)
        return logits
