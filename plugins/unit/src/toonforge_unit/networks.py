"""UNIT's encoder and decoder as in its authors' code (mingyuliutw/UNIT, networks.py, `ContentEncoder`, `Decoder`).

E: c7s1-64, d128, d256, R256 x 4. G: R256 x 4, u128, u64, c7s1-3. Stages down are 4x4 convolutions of stride 2; stages
up double pixels and convolve 5x5. Instance norm without weights and ReLU in the encoder and in all blocks, layer norm
and ReLU after each stage up, tanh at the end. Every convolution has a bias, and first weights as in He et al. (2015).
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn import Norm, Padding
from toonforge.nn.init import init_kaiming
from toonforge.nn.norms import norm_layer
from toonforge.nn.padding import pad_to_multiple
from toonforge.nn.resnet import ResidualBlock
from toonforge.nn.upsampling import conv

EPSILON = 1e-5


class EncoderNetwork(nn.Module):
    """Pictures (N,in_channels,H,W) in [-1, 1] to codes (N,width 2^downsamples,H/2^downsamples,W/2^downsamples).

    Args:
        width: channels after the first convolution.
        downsamples: times the sides are halved and the channels doubled.
        blocks: residual blocks.
        norm: after every convolution.
        padding: of every convolution. Pictures that are no multiple are padded by repetition first.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        downsamples: int = 2,
        blocks: int = 4,
        norm: Norm = "instance",
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()
        self.multiple = 2**downsamples

        def stage(layer: nn.Module, outputs: int) -> list[nn.Module]:
            return [layer, norm_layer(norm, outputs), nn.ReLU(inplace=True)]

        stages = stage(conv(in_channels, width, 7, padding), width)
        for level in range(downsamples):
            inputs = 2**level * width
            stages += stage(conv(inputs, 2 * inputs, 4, padding, stride=2), 2 * inputs)
        blocks_of = (ResidualBlock(self.multiple * width, norm, padding, bias=True) for _ in range(blocks))
        self.layers = nn.Sequential(*stages, *blocks_of)
        init_kaiming(self, slope=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of each picture's code; any H and W."""
        # Reflecting one pixel needs two: a code is at least 2x2.
        code: torch.Tensor = self.layers(pad_to_multiple(x, self.multiple, 2 * self.multiple))
        return code


class DecoderNetwork(nn.Module):
    """Codes (N,in_channels,h,w) to pictures (N,out_channels,h 2^upsamples,w 2^upsamples) in [-1, 1].

    Args:
        upsamples: times the sides are doubled and the channels halved.
        blocks: residual blocks.
        norm: in the blocks.
        padding: of every convolution.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 256,
        out_channels: int = 3,
        *,
        upsamples: int = 2,
        blocks: int = 4,
        norm: Norm = "instance",
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = [ResidualBlock(in_channels, norm, padding, bias=True) for _ in range(blocks)]
        width = in_channels
        for _ in range(upsamples):
            stages += [
                nn.Upsample(scale_factor=2),
                conv(width, width // 2, 5, padding),
                PictureNorm(width // 2),
                nn.ReLU(inplace=True),
            ]
            width //= 2
        self.layers = nn.Sequential(*stages, conv(width, out_channels, 7, padding), nn.Tanh())
        init_kaiming(self, slope=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Codes of at least 2x2 places."""
        picture: torch.Tensor = self.layers(x)
        return picture


class PictureNorm(nn.Module):
    """The code's layer norm: all numbers of a picture together, then a weight and a bias for each channel.

    It differs from `GroupNorm(1, channels)`: the deviation's squares are divided by one less than there are, epsilon is
    added to the deviation and not to the variance, and first weights are drawn evenly from [0, 1].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,channels,H,W), unchanged in shape."""
        deviation, mean = torch.std_mean(x, (1, 2, 3), keepdim=True)
        x = (x - mean) / (deviation + EPSILON)
        return x * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)
