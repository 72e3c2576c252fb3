"""What both networks are made of: central biasing, spectral normalisation of convolutions, Xavier's first weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from toonforge.nn.norms import groups_of
from toonforge.nn.upsampling import PixelShuffle
from toonforge_singlegan.generators import CentralNorm

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def plain_norm(norm: CentralNorm, channels: int) -> nn.Module:
    """A layer that normalises (N,channels,H,W) and has no weights of its own."""
    if norm == "instance":
        return nn.InstanceNorm2d(channels)
    if norm == "batch":
        return nn.BatchNorm2d(channels, affine=False)
    return nn.GroupNorm(groups_of(channels) if norm == "group" else 1, channels, affine=False)


def upsampling_norm(norm: CentralNorm, channels: int) -> nn.Module:
    """A layer that normalises (N,channels,H,W) and knows of no domain: as in the authors' code, batch norm has weights.

    They begin evenly in [0, 1], as batch norm's did in the torch of that code (1.1); newer ones begin with ones.
    """
    if norm != "batch":
        return plain_norm(norm, channels)
    layer = nn.BatchNorm2d(channels)
    nn.init.uniform_(layer.weight)
    return layer


class CentralBias(nn.Module):
    """(norm(x) + tanh(shift of the domain)) * weight + bias, each a number a channel (Yu et al., 2018).

    Since each channel's mean has been taken out, the shift alone says where the channel's centre lies, and tanh keeps
    it within a deviation of 0. Batch norm takes out the mean of all pictures: each picture's own follows, as in the
    authors' code. `shifts` is a linear layer of the domain's one-hot code. `weight` begins evenly in [0, 1]
    (`models/cbbn.py`; `models/cbin.py` inherits it from the batch norm of torch 1.1), `bias` with zeros.
    """

    def __init__(self, norm: CentralNorm, channels: int, domains: int) -> None:
        super().__init__()
        self.norm = plain_norm(norm, channels)
        self.centred = norm != "batch"
        self.shifts = nn.Linear(domains, channels)
        self.weight = nn.Parameter(torch.rand(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor, domain: int) -> torch.Tensor:
        """(N,C,H,W), unchanged in shape."""
        shift = torch.tanh(self.shifts.weight[:, domain] + self.shifts.bias)  # the layer's value for the one-hot code
        y: torch.Tensor = self.norm(x)
        if not self.centred:
            y = y - y.mean((2, 3), keepdim=True)
        return (y + shift[:, None, None]) * self.weight[:, None, None] + self.bias[:, None, None]


@torch.no_grad()
def init_xavier(network: nn.Module) -> None:
    """Convolutions and linear layers as Glorot and Bengio (2010) with a gain of sqrt(2), their biases 0."""
    for module in network.modules():
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            nn.init.xavier_normal_(module.weight, math.sqrt(2))
            if module.bias is not None:
                module.bias.zero_()
    for module in network.modules():
        if isinstance(module, PixelShuffle):
            module.align()


def normalise_convolutions(modules: Iterable[nn.Module]) -> None:
    """Spectral normalisation (Miyato et al., 2018) of convolutions; linear layers, which code domains, stay."""
    for module in list(modules):
        if isinstance(module, CONVOLUTIONS):
            spectral_norm(module)
