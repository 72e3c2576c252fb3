"""The ResNet generator of Johnson et al. (2016) as CycleGAN uses it (Zhu et al., 2017, appendix 7.2).

c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3. Every convolution but the last is followed by a norm and ReLU;
tanh at the end.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.choices import Interpolation, Norm, Padding, Statistics, Upsample
from toonforge.nn.init import init_normal
from toonforge.nn.norms import EPSILON, bias_before, norm_layer
from toonforge.nn.padding import PadToMultiple, zero
from toonforge.nn.upsampling import conv, upsample_layer

__all__ = ["ResnetGenerator", "ResidualBlock"]


class ResidualBlock(nn.Module):
    """x + norm(conv(dropout(relu(norm(conv(x)))))), both convolutions 3x3.

    Args:
        bias: of the convolutions; what the norm asks for when left out.
        statistics, epsilon: see `norm_layer`.

    Examples:
        >>> import torch
        >>> from toonforge.nn.resnet import ResidualBlock
        >>> ResidualBlock(8, "instance", "reflect")(torch.rand(1, 8, 6, 6)).shape
        torch.Size([1, 8, 6, 6])
    """

    def __init__(
        self,
        width: int,
        norm: Norm,
        padding: Padding,
        dropout: float = 0.0,
        bias: bool | None = None,
        statistics: Statistics = "running",
        epsilon: float = EPSILON,
    ) -> None:
        super().__init__()
        bias = bias_before(norm) if bias is None else bias
        self.layers = nn.Sequential(
            conv(width, width, 3, padding, bias=bias),
            norm_layer(norm, width, statistics, epsilon),
            nn.ReLU(inplace=True),
            *([nn.Dropout(dropout)] if dropout else []),
            conv(width, width, 3, padding, bias=bias),
            norm_layer(norm, width, statistics, epsilon),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,width,H,W), unchanged in shape."""
        y: torch.Tensor = x + self.layers(x)
        return y


class ResnetGenerator(PadToMultiple):
    """Pictures (N,in_channels,H,W) in [-1, 1] to (N,out_channels,H,W) in [-1, 1], any H and W.

    Args:
        width: channels after the first convolution; 4 times as many in the blocks.
        blocks: residual blocks; 9 for 256 pixels, 6 for 128 in the original.
        dropout: probability inside the blocks, 0 for none.
        padding: of every convolution but the two strided ones, which see zeros as in the original.
        block_padding: that of the blocks, where it differs.
        bias: of every convolution but the last, which has one; what the norm asks for when left out.
        statistics: what batch norm takes in evaluation, each picture's own or the tracked ones; other norms have none.
        residual: see `PadToMultiple`.

    Examples:
        >>> import torch
        >>> from toonforge.nn.resnet import ResnetGenerator
        >>> ResnetGenerator(width=4, blocks=2)(torch.rand(1, 3, 30, 50)).shape
        torch.Size([1, 3, 30, 50])
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        width: int = 64,
        blocks: int = 9,
        norm: Norm = "instance",
        upsample: Upsample = "transposed",
        interpolation: Interpolation = "nearest",
        dropout: float = 0.0,
        padding: Padding = "reflect",
        block_padding: Padding | None = None,
        bias: bool | None = None,
        statistics: Statistics = "running",
        residual: bool = False,
    ) -> None:
        # Reflecting one pixel needs two: at least 2x2 at a quarter of the size.
        super().__init__(multiple=4, minimum=8, residual=residual)
        bias = bias_before(norm) if bias is None else bias

        def stage(layer: nn.Module, outputs: int) -> nn.Sequential:
            return nn.Sequential(layer, norm_layer(norm, outputs, statistics), nn.ReLU(inplace=True))

        def down(inputs: int, outputs: int) -> nn.Sequential:
            return stage(conv(inputs, outputs, 3, "zero", stride=2, bias=bias), outputs)

        def up(inputs: int, outputs: int) -> nn.Sequential:
            grow = upsample_layer(
                upsample, inputs, outputs, kernel=3, bias=bias, padding=padding, interpolation=interpolation
            )
            return stage(grow, outputs)

        def block() -> nn.Module:
            return ResidualBlock(4 * width, norm, block_padding or padding, dropout, bias, statistics)

        self.stem = stage(conv(in_channels, width, 7, padding, bias=bias), width)
        self.down = nn.Sequential(down(width, 2 * width), down(2 * width, 4 * width))
        self.blocks = nn.Sequential(*(block() for _ in range(blocks)))
        self.up = nn.Sequential(up(4 * width, 2 * width), up(2 * width, width))
        self.head = conv(width, out_channels, 7, padding)
        init_normal(self)
        if residual:
            zero(self.head)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Sides are multiples of 4, at least 8."""
        x = self.stem(x)  # N,width,H,W
        x = self.down(x)  # N,4 width,H/4,W/4
        x = self.blocks(x)
        x = self.up(x)  # N,width,H,W
        return torch.tanh(self.head(x))
