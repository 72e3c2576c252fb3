"""CartoonGAN's two networks (Chen et al., 2018, section 3.1, figure 2; details as in the authors' Torch code).

Both take two convolutions where others take one: the first changes the size, the second is followed by the stage's
only norm. Every convolution has a bias, the ones before a norm too: that is how the authors' parameters count.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn import Interpolation, Norm, Padding, Upsample
from toonforge.nn.init import init_normal
from toonforge.nn.norms import EPSILON, norm_layer, normalise_spectrally
from toonforge.nn.padding import PadToMultiple, zero
from toonforge.nn.resnet import ResidualBlock
from toonforge.nn.upsampling import conv, upsample_layer


class CartoonGenerator(PadToMultiple):
    """Pictures (N,in_channels,H,W) in [-1, 1] to (N,out_channels,H,W) in [-1, 1], any H and W.

    Args:
        width: channels after the first convolution; 4 times as many in the blocks.
        blocks: residual blocks.
        padding: of the first and last convolution and of the blocks; the stages that resize see zeros.
        epsilon: added to the norms' variances.
        residual: see `PadToMultiple`.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        width: int = 64,
        blocks: int = 8,
        norm: Norm = "instance-affine",
        upsample: Upsample = "transposed",
        interpolation: Interpolation = "nearest",
        padding: Padding = "reflect",
        epsilon: float = EPSILON,
        residual: bool = False,
    ) -> None:
        # Reflecting one pixel needs two: at least 2x2 at a quarter of the size.
        super().__init__(multiple=4, minimum=8, residual=residual)

        def normed(outputs: int) -> nn.Module:
            return norm_layer(norm, outputs, epsilon=epsilon)

        def stage(resize: nn.Module, outputs: int) -> nn.Sequential:
            return nn.Sequential(resize, conv(outputs, outputs, 3, "zero"), normed(outputs), nn.ReLU(inplace=True))

        def block() -> nn.Module:
            return ResidualBlock(4 * width, norm, padding, bias=True, epsilon=epsilon)

        def down(inputs: int, outputs: int) -> nn.Sequential:
            return stage(conv(inputs, outputs, 3, "zero", stride=2), outputs)

        def up(inputs: int, outputs: int) -> nn.Sequential:
            grow = upsample_layer(upsample, inputs, outputs, kernel=3, bias=True, interpolation=interpolation)
            return stage(grow, outputs)

        self.stem = nn.Sequential(conv(in_channels, width, 7, padding), normed(width), nn.ReLU(inplace=True))
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


class CartoonDiscriminator(nn.Module):
    """Pictures (N,in_channels,H,W) to logits (N,1,H/4,W/4), sides rounded up.

    Args:
        width: channels of the first convolution; 8 times as many in the last stage.
        spectral: spectral normalisation (Miyato et al., 2018) of all convolutions.
    """

    any_layout = True

    def __init__(
        self, in_channels: int = 3, *, width: int = 32, norm: Norm = "instance-affine", spectral: bool = False
    ) -> None:
        super().__init__()

        def leaky() -> nn.Module:
            return nn.LeakyReLU(0.2, inplace=True)

        def down(inputs: int, strided: int, outputs: int) -> list[nn.Module]:
            return [
                conv(inputs, strided, 3, "zero", stride=2),
                leaky(),
                conv(strided, outputs, 3, "zero"),
                norm_layer(norm, outputs),
                leaky(),
            ]

        self.layers = nn.Sequential(
            conv(in_channels, width, 3, "zero"),
            leaky(),
            *down(width, 2 * width, 4 * width),  # N,4 width,H/2,W/2
            *down(4 * width, 4 * width, 8 * width),  # N,8 width,H/4,W/4
            conv(8 * width, 8 * width, 3, "zero"),
            norm_layer(norm, 8 * width),
            leaky(),
            conv(8 * width, 1, 3, "zero"),
        )
        init_normal(self)
        if spectral:
            normalise_spectrally(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, never probabilities."""
        logits: torch.Tensor = self.layers(x)
        return logits
