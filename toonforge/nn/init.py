"""The CycleGAN code's initial weights."""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.upsampling import PixelShuffle

__all__ = ["init_normal", "init_kaiming"]

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)


@torch.no_grad()
def init_normal(network: nn.Module, std: float = 0.02) -> None:
    """Convolutions from N(0, std), norm weights from N(1, std), all biases 0; draws from torch's random state.

    Examples:
        >>> from torch import nn
        >>> from toonforge.nn.init import init_normal
        >>> layer = nn.Conv2d(3, 64, 7)
        >>> init_normal(layer)
        >>> round(layer.weight.std().item(), 2), layer.bias.abs().max().item()
        (0.02, 0.0)
    """
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            module.weight.normal_(0.0, std)
        elif isinstance(module, NORMS) and module.weight is not None:
            module.weight.normal_(1.0, std)
        else:
            continue
        if module.bias is not None:
            module.bias.zero_()
    for module in network.modules():
        if isinstance(module, PixelShuffle):
            module.align()


@torch.no_grad()
def init_kaiming(network: nn.Module, slope: float = 0.2) -> None:
    """Convolutions as He et al. (2015) for leaky rectifiers of this slope, biases 0; norms stay as they are.

    Examples:
        >>> from torch import nn
        >>> from toonforge.nn.init import init_kaiming
        >>> layer = nn.Conv2d(64, 64, 3)
        >>> init_kaiming(layer, slope=0.2)
        >>> layer.bias.abs().max().item()
        0.0
    """
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            nn.init.kaiming_normal_(module.weight, slope)
            if module.bias is not None:
                module.bias.zero_()
    for module in network.modules():
        if isinstance(module, PixelShuffle):
            module.align()
