"""SingleGAN's generator (`SingleGenerator` of the authors' code): c7-64, d4-128, d4-256, R256 x 6, u4-128, u4-64, c7-3.

No convolution has a bias. Norms before the upsampling stages are centrally biased by the domain; those of the
upsampling stages know of no domain.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn import Interpolation, Upsample
from toonforge.nn.padding import middle, pad_to_multiple, zero
from toonforge.nn.upsampling import upsample_layer
from toonforge_singlegan.generators import CentralNorm
from toonforge_singlegan.layers import CentralBias, init_xavier, normalise_convolutions, upsampling_norm


def conv(inputs: int, outputs: int, kernel: int, padding: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that sees the picture reflected beyond its border."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False, padding_mode="reflect")


class Stage(nn.Module):
    """relu(central bias(conv(x)))."""

    def __init__(self, layer: nn.Conv2d, norm: CentralNorm, domains: int) -> None:
        super().__init__()
        self.conv = layer
        self.norm = CentralBias(norm, layer.out_channels, domains)

    def forward(self, x: torch.Tensor, domain: int) -> torch.Tensor:
        """(N,C,H,W) to what the convolution yields of it."""
        return torch.relu(self.norm(self.conv(x), domain))


class Block(nn.Module):
    """x + central bias(conv(relu(central bias(conv(x))))), both convolutions 3x3."""

    def __init__(self, width: int, norm: CentralNorm, domains: int) -> None:
        super().__init__()
        self.first = Stage(conv(width, width, 3, 1), norm, domains)
        self.conv = conv(width, width, 3, 1)
        self.norm = CentralBias(norm, width, domains)

    def forward(self, x: torch.Tensor, domain: int) -> torch.Tensor:
        """(N,width,H,W), unchanged in shape."""
        y: torch.Tensor = x + self.norm(self.conv(self.first(x, domain)), domain)
        return y


class SingleGenerator(nn.Module):
    """Pictures (N,in_channels,H,W) to (N,out_channels,H,W) of one of several domains, in [-1, 1], any H and W.

    Args:
        domains: how many there are.
        width: channels after the stem; 4 times as many in the blocks.
        blocks: residual blocks.
        spectral: spectral normalisation of the convolutions; not of the last one where `residual`, whose weights are
            zeros at first, and zeros have no norm to divide by.
        residual: yield x + 2 network(x), clamped to [-1, 1] except in training, and start as the identity.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        domains: int = 2,
        width: int = 64,
        blocks: int = 6,
        norm: CentralNorm = "instance",
        spectral: bool = True,
        upsample: Upsample = "transposed",
        interpolation: Interpolation = "nearest",
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual

        def up(inputs: int, outputs: int) -> nn.Sequential:
            grow = upsample_layer(
                upsample, inputs, outputs, kernel=4, bias=False, padding="reflect", interpolation=interpolation
            )
            return nn.Sequential(grow, upsampling_norm(norm, outputs), nn.ReLU(inplace=True))

        self.stem = Stage(conv(in_channels, width, 7, 3), norm, domains)
        self.down = nn.ModuleList(
            Stage(conv(size * width, 2 * size * width, 4, 1, stride=2), norm, domains) for size in (1, 2)
        )
        self.blocks = nn.ModuleList(Block(4 * width, norm, domains) for _ in range(blocks))
        self.up = nn.Sequential(up(4 * width, 2 * width), up(2 * width, width))
        self.head = conv(width, out_channels, 7, 3)
        init_xavier(self)
        if residual:
            zero(self.head)
        if spectral:
            normalise_convolutions(m for m in self.modules() if not (residual and m is self.head))

    def forward(self, x: torch.Tensor, domain: int) -> torch.Tensor:
        """Pictures of the domain of this number, from 0 up."""
        # Reflecting one pixel needs two: at least 2x2 at a quarter of the size.
        y = middle(self.body(pad_to_multiple(x, 4, 8), domain), *x.shape[-2:])
        if not self.residual:
            return y
        # Clamping in training would stop the gradient of every pixel that has gone too far.
        return x + 2 * y if self.training else (x + 2 * y).clamp(-1, 1)

    def body(self, x: torch.Tensor, domain: int) -> torch.Tensor:
        """Sides are multiples of 4, at least 8."""
        x = self.stem(x, domain)  # N,width,H,W
        for stage in self.down:
            x = stage(x, domain)  # N,2 width,H/2,W/2; N,4 width,H/4,W/4
        for block in self.blocks:
            x = block(x, domain)
        x = self.up(x)  # N,width,H,W
        return torch.tanh(self.head(x))
