"""A U-Net after Ronneberger et al. (2015) with two convolutions at each size, for small networks and short trainings.

Unlike pix2pix' U-Net it has convolutions at the picture's own size, so that fine lines survive, and it convolves
before it grows, which costs a quarter of convolving after.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.choices import Interpolation, Norm, Upsample
from toonforge.nn.init import init_kaiming
from toonforge.nn.norms import norm_layer
from toonforge.nn.padding import PadToMultiple, zero
from toonforge.nn.upsampling import conv, upsample_layer

__all__ = ["DoubleUnetGenerator"]

MOST = 4
"""Channels double with each level up to this many times the width."""


class DoubleUnetGenerator(PadToMultiple):
    """Pictures (N,in_channels,H,W) in [-1, 1] to (N,out_channels,H,W) in [-1, 1], any H and W.

    Args:
        levels: times the sides are halved.
        width: channels at the picture's own size.
        norm: after every convolution but the first and the last.
        upsample, interpolation: how the sides are doubled; "resize" interpolates and needs no convolution of its own.
        residual: see `PadToMultiple`.

    Examples:
        >>> import torch
        >>> from toonforge.nn.double_unet import DoubleUnetGenerator
        >>> DoubleUnetGenerator(levels=2, width=4)(torch.rand(1, 3, 32, 40)).shape
        torch.Size([1, 3, 32, 40])
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        levels: int = 3,
        width: int = 16,
        norm: Norm = "none",
        upsample: Upsample = "resize",
        interpolation: Interpolation = "bilinear",
        residual: bool = True,
    ) -> None:
        super().__init__(multiple=2**levels, residual=residual)
        widths = [width * min(2**level, MOST) for level in range(levels + 1)]

        def stage(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
            layer = conv(inputs, outputs, kernel, "zero", stride)
            return nn.Sequential(layer, norm_layer(norm, outputs), nn.LeakyReLU(0.2))

        self.stem = nn.Sequential(conv(in_channels, width, 3, "zero"), nn.LeakyReLU(0.2))
        self.down = nn.ModuleList(stage(widths[i], widths[i + 1], 4, 2) for i in range(levels))
        self.middle = stage(widths[-1], widths[-1])
        self.before_growing = nn.ModuleList(stage(widths[i + 1], widths[i]) for i in reversed(range(levels)))
        self.after_growing = nn.ModuleList(stage(2 * widths[i], widths[i]) for i in reversed(range(levels)))
        self.grow = nn.ModuleList(doubling(upsample, widths[i], interpolation) for i in reversed(range(levels)))
        self.head = conv(width, out_channels, 3, "zero")
        init_kaiming(self)
        if residual:
            zero(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Sides are multiples of 2^levels."""
        x = self.stem(x)  # N,width,H,W
        skips = []
        for stage in self.down:
            skips.append(x)
            x = stage(x)  # N,widths[i+1],H/2^(i+1),W/2^(i+1)
        x = self.middle(x)
        for before, grow, after in zip(self.before_growing, self.grow, self.after_growing, strict=True):
            x = grow(before(x))  # N,widths[i],H/2^i,W/2^i
            x = after(torch.cat([x, skips.pop()], 1))
        x = self.head(x)
        return x if self.residual else torch.tanh(x)


def doubling(upsample: Upsample, channels: int, interpolation: Interpolation) -> nn.Module:
    """(N,channels,H,W) to (N,channels,2H,2W)."""
    if upsample == "resize":
        align = False if interpolation == "bilinear" else None
        return nn.Upsample(scale_factor=2, mode=interpolation, align_corners=align)
    return upsample_layer(upsample, channels, channels, kernel=4, bias=True)
