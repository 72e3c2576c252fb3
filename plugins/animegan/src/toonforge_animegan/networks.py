"""AnimeGANv2's two networks, as in the authors' code (TachibanaYoshino/AnimeGANv2, net/generator.py, discriminator.py).

Layer norm takes the mean and deviation of a whole picture over all channels: instance norm of each channel leaves
droplets, which made the authors change. No convolution has a bias but those channel by channel.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from toonforge.nn import Interpolation, Norm, Padding
from toonforge.nn.init import init_normal
from toonforge.nn.norms import norm_layer, normalise_spectrally
from toonforge.nn.padding import PadToMultiple, zero
from toonforge.nn.upsampling import conv

TRUNCATED = 1.3
"""TensorFlow's factor on the variance of normal numbers that are cut off at two deviations."""


class AnimeGenerator(PadToMultiple):
    """Pictures (N,in_channels,H,W) in [-1, 1] to (N,out_channels,H,W) in [-1, 1], any H and W.

    Args:
        width: channels after the first convolution; 8 times as many in the blocks.
        blocks: inverted residual blocks.
        epsilon: added to the norms' variances.
        residual: see `PadToMultiple`.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        width: int = 32,
        blocks: int = 4,
        norm: Norm = "layer",
        interpolation: Interpolation = "bilinear",
        padding: Padding = "reflect",
        epsilon: float = 1e-12,
        residual: bool = False,
    ) -> None:
        # Reflecting one pixel needs two: at least 2x2 at a quarter of the size.
        super().__init__(multiple=4, minimum=8, residual=residual)

        def stage(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
            around = conv(inputs, outputs, kernel, padding, bias=False)
            return nn.Sequential(around, norm_layer(norm, outputs, epsilon=epsilon), nn.LeakyReLU(0.2, inplace=True))

        def down(inputs: int, outputs: int) -> nn.Sequential:
            halve = HalvingConv2d(inputs, outputs, padding)
            return nn.Sequential(halve, norm_layer(norm, outputs, epsilon=epsilon), nn.LeakyReLU(0.2, inplace=True))

        def up(inputs: int, outputs: int) -> nn.Sequential:
            how: Any = {"align_corners": False} if interpolation == "bilinear" else {}
            return nn.Sequential(nn.Upsample(scale_factor=2, mode=interpolation, **how), *stage(inputs, outputs))

        w = width
        self.encoder = nn.Sequential(
            stage(in_channels, w, 7),  # N,w,H,W
            down(w, 2 * w),
            stage(2 * w, 2 * w),  # N,2w,H/2,W/2
            down(2 * w, 4 * w),
            stage(4 * w, 4 * w),  # N,4w,H/4,W/4
        )
        inner = [
            InvertedResidual(4 * w if index == 0 else 8 * w, 8 * w, norm, padding, epsilon) for index in range(blocks)
        ]
        self.blocks = nn.Sequential(stage(4 * w, 4 * w), *inner, stage(8 * w if blocks else 4 * w, 4 * w))
        self.decoder = nn.Sequential(
            up(4 * w, 4 * w),
            stage(4 * w, 4 * w),  # N,4w,H/2,W/2
            up(4 * w, 2 * w),
            stage(2 * w, 2 * w),
            stage(2 * w, w, 7),  # N,w,H,W
        )
        self.head = nn.Conv2d(w, out_channels, 1, bias=False)
        init_scaled(self)
        if residual:
            zero(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Sides are multiples of 4, at least 8."""
        return torch.tanh(self.head(self.decoder(self.blocks(self.encoder(x)))))


class InvertedResidual(nn.Module):
    """(N,inputs,H,W) to (N,outputs,H,W): 1x1 to twice the channels, 3x3 in each of them, 1x1; added where both agree.

    Sandler et al. (2018), with a norm after every convolution.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, padding: Padding, epsilon: float) -> None:
        super().__init__()
        inner = 2 * inputs
        mode = "zeros" if padding == "zero" else padding
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False),
            norm_layer(norm, inner, epsilon=epsilon),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, padding_mode=mode),
            norm_layer(norm, inner, epsilon=epsilon),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(inner, outputs, 1, bias=False),
            norm_layer(norm, outputs, epsilon=epsilon),
        )
        self.is_added = inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Without an activation at the end."""
        y: torch.Tensor = self.layers(x)
        return x + y if self.is_added else y


class HalvingConv2d(nn.Conv2d):
    """A 3x3 convolution of stride 2 that looks beyond the right and the lower border alone, as TensorFlow pads."""

    def __init__(self, inputs: int, outputs: int, padding: Padding) -> None:
        super().__init__(inputs, outputs, 3, 2, bias=False)
        self.beyond = "constant" if padding == "zero" else padding

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N,inputs,H,W) of even sides to (N,outputs,H/2,W/2)."""
        return super().forward(functional.pad(input, (0, 1, 0, 1), mode=self.beyond))


class AnimeDiscriminator(nn.Module):
    """Pictures (N,in_channels,H,W) to logits (N,1,H/4,W/4), sides rounded up.

    Args:
        width: channels of the first convolution; 8 times as many at the end.
        spectral: spectral normalisation (Miyato et al., 2018) of all convolutions.
        epsilon: added to the norms' variances.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 32,
        norm: Norm = "layer",
        spectral: bool = True,
        epsilon: float = 1e-12,
    ) -> None:
        super().__init__()

        def normed(inputs: int, outputs: int) -> list[nn.Module]:
            return [
                conv(inputs, outputs, 3, "zero", bias=False),
                norm_layer(norm, outputs, epsilon=epsilon),
                nn.LeakyReLU(0.2, inplace=True),
            ]

        layers: list[nn.Module] = [conv(in_channels, width, 3, "zero", bias=False), nn.LeakyReLU(0.2, inplace=True)]
        channels = width
        for strided in (2 * width, 4 * width):
            # TensorFlow's code pads this one above and on the left alone, which torch's padding by 1 comes to.
            layers += [conv(channels, strided, 3, "zero", stride=2, bias=False), nn.LeakyReLU(0.2, inplace=True)]
            layers += normed(strided, 2 * strided)
            channels = 2 * strided
        layers += [*normed(channels, channels), conv(channels, 1, 3, "zero", bias=False)]
        self.layers = nn.Sequential(*layers)
        init_normal(self)
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):  # as norms begin there: weights of 1
                nn.init.ones_(module.weight)
        if spectral:
            normalise_spectrally(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, never probabilities."""
        logits: torch.Tensor = self.layers(x)
        return logits


@torch.no_grad()
def init_scaled(network: nn.Module) -> None:
    """As `tf.contrib.layers.variance_scaling_initializer`: normal, cut off at two deviations, 2 / (inputs of a number).

    It counts a convolution that goes channel by channel as if every number came from all channels.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            inputs = module.in_channels * math.prod(module.kernel_size)
            deviation = math.sqrt(2 * TRUNCATED / inputs)
            nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
