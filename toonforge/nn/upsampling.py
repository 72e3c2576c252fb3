"""Doubling a picture's sides: the three ways that recipes offer, and what each costs in artifacts."""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.choices import Interpolation, Padding, Upsample

__all__ = ["conv", "upsample_layer", "Resize", "PixelShuffle"]


def conv(inputs: int, outputs: int, kernel: int, padding: Padding, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution that keeps the size (divided by the stride) with what lies beyond the border as named.

    Examples:
        >>> from toonforge.nn.upsampling import conv
        >>> conv(3, 8, 3, "reflect")
        Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), padding_mode=reflect)
    """
    mode = "zeros" if padding == "zero" else padding
    return nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=bias, padding_mode=mode)


def upsample_layer(
    upsample: Upsample,
    inputs: int,
    outputs: int,
    *,
    kernel: int,
    bias: bool,
    padding: Padding = "zero",
    interpolation: Interpolation = "nearest",
) -> nn.Module:
    """(N,inputs,H,W) to (N,outputs,2H,2W).

    Args:
        kernel: of the transposed convolution: 3 as in the ResNet generator, 4 as in the U-Net. The others use 3x3.
        padding: of the other two; a transposed convolution knows only zeros. Pixel shuffling works before the
            picture has grown, on possibly one pixel, where reflection would fail: it replicates instead.

    Examples:
        >>> import torch
        >>> from toonforge.nn.upsampling import upsample_layer
        >>> upsample_layer("resize", 8, 4, kernel=4, bias=True)(torch.rand(1, 8, 5, 7)).shape
        torch.Size([1, 4, 10, 14])
    """
    if upsample == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, kernel, 2, 1, output_padding=kernel % 2, bias=bias)
    if upsample == "pixel-shuffle":
        return PixelShuffle(inputs, outputs, "replicate" if padding == "reflect" else padding, bias)
    return Resize(inputs, outputs, padding, bias, interpolation)


class Resize(nn.Module):
    """Interpolate, then convolve 3x3 (Odena et al., 2016).

    Examples:
        >>> import torch
        >>> from toonforge.nn.upsampling import Resize
        >>> Resize(8, 4, "reflect", bias=True, interpolation="bilinear")(torch.rand(1, 8, 5, 7)).shape
        torch.Size([1, 4, 10, 14])
    """

    def __init__(self, inputs: int, outputs: int, padding: Padding, bias: bool, interpolation: Interpolation) -> None:
        super().__init__()
        self.grow = nn.Upsample(
            scale_factor=2, mode=interpolation, align_corners=False if interpolation == "bilinear" else None
        )
        self.conv = conv(inputs, outputs, 3, padding, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W) to (N,outputs,2H,2W)."""
        grown: torch.Tensor = self.conv(self.grow(x))
        return grown


class PixelShuffle(nn.Module):
    """Convolve 3x3 to four times the channels, laid out as 2x2 pixels (Shi et al., 2016).

    Examples:
        >>> import torch
        >>> from toonforge.nn.upsampling import PixelShuffle
        >>> PixelShuffle(8, 4, "reflect", bias=True)(torch.rand(1, 8, 5, 7)).shape
        torch.Size([1, 4, 10, 14])
    """

    def __init__(self, inputs: int, outputs: int, padding: Padding, bias: bool) -> None:
        super().__init__()
        self.conv = conv(inputs, 4 * outputs, 3, padding, bias=bias)

    def align(self) -> None:
        """Start all four pixels of a channel with one kernel (Aitken et al., 2017): no checkerboard to unlearn."""
        with torch.no_grad():
            self.conv.weight.copy_(self.conv.weight[::4].repeat_interleave(4, 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W) to (N,outputs,2H,2W)."""
        return nn.functional.pixel_shuffle(self.conv(x), 2)
