"""The PatchGAN discriminator of pix2pix and CycleGAN: one logit for each overlapping patch (70x70 pixels by default).

C64-C128-C256-C512 and a last convolution to one channel, all 4x4; stride 2 in all but the last two.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.choices import Norm
from toonforge.nn.init import init_normal
from toonforge.nn.norms import bias_before, norm_layer, normalise_spectrally

__all__ = ["PatchGAN", "PixelGAN"]


class PatchGAN(nn.Module):
    """Pictures (N,in_channels,H,W) to logits (N,1,H',W').

    Args:
        width: channels of the first convolution; they double up to 8 times as many.
        layers: strided convolutions; 3 make the 70x70 patches.
        kernel: side of all convolutions.
        last_stride: of the last convolution before the one that yields the logits.
        head_kernel: side of the one that yields the logits; `kernel` when left out.
        spectral: spectral normalisation (Miyato et al., 2018) of all convolutions.
        bias: of all convolutions but the first and the last, which have one; what the norm asks for when left out.

    Examples:
        >>> import torch
        >>> from toonforge.nn.patchgan import PatchGAN
        >>> PatchGAN(width=8)(torch.rand(1, 3, 256, 256)).shape  # a logit for each patch of 70 pixels
        torch.Size([1, 1, 30, 30])
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "instance",
        kernel: int = 4,
        last_stride: int = 1,
        head_kernel: int | None = None,
        spectral: bool = False,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        bias = bias_before(norm) if bias is None else bias
        stages: list[nn.Module] = [nn.Conv2d(in_channels, width, kernel, 2, padding), nn.LeakyReLU(0.2, inplace=True)]
        for layer in range(1, layers + 1):
            inputs, outputs = min(2 ** (layer - 1), 8) * width, min(2**layer, 8) * width
            stride = 2 if layer < layers else last_stride
            stages += [
                nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias),
                norm_layer(norm, outputs),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        head = head_kernel or kernel
        stages.append(nn.Conv2d(outputs, 1, head, 1, (head - 1) // 2))
        self.layers = nn.Sequential(*stages)
        init_normal(self)
        if spectral:
            normalise_spectrally(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, never probabilities."""
        logits: torch.Tensor = self.layers(x)
        return logits


class PixelGAN(nn.Module):
    """Pictures (N,in_channels,H,W) to logits (N,1,H,W), each of one pixel: pix2pix' patches of 1x1.

    Args:
        width: channels of the first convolution; twice as many in the second.
        spectral: spectral normalisation of all convolutions.
        bias: of the second and the third convolution; what the norm asks for when left out.

    Examples:
        >>> import torch
        >>> from toonforge.nn.patchgan import PixelGAN
        >>> PixelGAN(width=8)(torch.rand(1, 3, 16, 16)).shape
        torch.Size([1, 1, 16, 16])
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        norm: Norm = "instance",
        spectral: bool = False,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        bias = bias_before(norm) if bias is None else bias
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            norm_layer(norm, 2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * width, 1, 1, bias=bias),  # without a bias where the norm has one, as in the original
        )
        init_normal(self)
        if spectral:
            normalise_spectrally(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, never probabilities."""
        logits: torch.Tensor = self.layers(x)
        return logits
