"""The U-Net generator of pix2pix (Isola et al., 2017, appendix 6.1), also offered by the CycleGAN code.

Encoder C64-C128-C256-C512-C512-C512-C512-C512 of 4x4 convolutions with stride 2, each decoder stage sees the encoder
stage of its size beside it. No norm at the first and the innermost encoder stage; tanh at the end.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.choices import Interpolation, Norm, Padding, Statistics, Upsample
from toonforge.nn.init import init_normal
from toonforge.nn.norms import bias_before, norm_layer
from toonforge.nn.padding import PadToMultiple, zero
from toonforge.nn.upsampling import upsample_layer

__all__ = ["UnetGenerator"]


class UnetGenerator(PadToMultiple):
    """Pictures (N,in_channels,H,W) in [-1, 1] to (N,out_channels,H,W) in [-1, 1], any H and W.

    Args:
        levels: encoder stages; the innermost sees 1 / 2^levels of the sides, and smaller pictures are padded up.
        width: channels of the first stage; they double up to 8 times as many.
        statistics: what batch norm takes in evaluation, each picture's own or the tracked ones; other norms have none.
        dropout: probability in the decoder stages between two of the widest ones (three of them with 8 levels).
        padding: of every convolution but transposed ones, which know only zeros.
        bias: of every convolution but the last, which has one; what the norm asks for when left out.
        residual: see `PadToMultiple`.

    Examples:
        >>> import torch
        >>> from toonforge.nn.unet import UnetGenerator
        >>> UnetGenerator(levels=3, width=4)(torch.rand(1, 3, 32, 40)).shape
        torch.Size([1, 3, 32, 40])
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        levels: int = 8,
        width: int = 64,
        norm: Norm = "batch",
        statistics: Statistics = "running",
        upsample: Upsample = "transposed",
        interpolation: Interpolation = "nearest",
        dropout: float = 0.0,
        padding: Padding = "zero",
        bias: bool | None = None,
        residual: bool = False,
    ) -> None:
        super().__init__(multiple=2**levels, residual=residual)
        bias = bias_before(norm) if bias is None else bias
        mode = "zeros" if padding == "zero" else padding
        widths = [min(2**level, 8) * width for level in range(levels)]
        self.encoder = nn.ModuleList()
        for level, outputs in enumerate(widths):
            stage = nn.Sequential()
            if level:
                stage.append(nn.LeakyReLU(0.2))
            inputs = widths[level - 1] if level else in_channels
            stage.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=bias, padding_mode=mode))
            if 0 < level < levels - 1:
                stage.append(norm_layer(norm, outputs, statistics))
            self.encoder.append(stage)
        self.decoder = nn.ModuleList()  # innermost first
        for level in reversed(range(levels)):
            innermost, outermost = level == levels - 1, level == 0
            inputs = widths[level] if innermost else 2 * widths[level]
            outputs = out_channels if outermost else widths[level - 1]
            grow = upsample_layer(
                upsample,
                inputs,
                outputs,
                kernel=4,
                bias=bias or outermost,
                padding=padding,
                interpolation=interpolation,
            )
            stage = nn.Sequential(nn.ReLU(), grow)
            if not outermost:
                stage.append(norm_layer(norm, outputs, statistics))
            if dropout and not innermost and widths[level] == outputs == 8 * width:
                stage.append(nn.Dropout(dropout))
            self.decoder.append(stage)
        init_normal(self)
        if residual:
            zero(grow)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Sides are multiples of 2^levels."""
        skips: list[torch.Tensor] = []
        for stage in self.encoder:
            x = stage(x)  # N,widths[i],H/2^(i+1),W/2^(i+1)
            skips.append(x)
        skips.pop()
        for stage in self.decoder:
            x = stage(x)  # N,widths[i-1],H/2^i,W/2^i
            if skips:
                x = torch.cat([skips.pop(), x], 1)
        return torch.tanh(x)
