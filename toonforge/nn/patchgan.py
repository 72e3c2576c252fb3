"""The PatchGAN discriminator of pix2pix and CycleGAN: one logit for each overlapping patch (70x70 pixels by default).

C64-C128-C256-C512 and a last convolution to one channel, all 4x4; stride 2 in all but the last two.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from toonforge.nn.choices import Norm
from toonforge.nn.init import init_normal
from toonforge.nn.norms import bias_before, norm_layer


class PatchGAN(nn.Module):
    """Pictures (N,in_channels,H,W) to logits (N,1,H',W').

    Args:
        width: channels of the first convolution; they double up to 8 times as many.
        layers: strided convolutions; 3 make the 70x70 patches.
        kernel: side of all convolutions.
        spectral: spectral normalisation (Miyato et al., 2018) of all convolutions.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "instance",
        kernel: int = 4,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        bias = bias_before(norm)
        stages: list[nn.Module] = [nn.Conv2d(in_channels, width, kernel, 2, padding), nn.LeakyReLU(0.2, inplace=True)]
        for layer in range(1, layers + 1):
            inputs, outputs = min(2 ** (layer - 1), 8) * width, min(2**layer, 8) * width
            stride = 2 if layer < layers else 1
            stages += [
                nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias),
                norm_layer(norm, outputs),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        stages.append(nn.Conv2d(outputs, 1, kernel, 1, padding))
        self.layers = nn.Sequential(*stages)
        init_normal(self)
        if spectral:
            for stage in stages:
                if isinstance(stage, nn.Conv2d):
                    spectral_norm(stage)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, never probabilities."""
        logits: torch.Tensor = self.layers(x)
        return logits
