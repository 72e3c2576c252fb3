"""The networks of the classic code at its defaults, with tensors named as in its files.

Instance norm learns nothing, and convolutions before it have biases all the same; those before a batch norm have none.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

NormLayer = Callable[[int], nn.Module]


class Network(nn.Module):
    """One module under the name `model`; weights are drawn with a standard deviation of 0.02."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


def initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)
        nn.init.zeros_(layer.bias)


class Residual(nn.Module):
    """x + two 3x3 convolutions of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
            nn.ReLU(True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv_block(x)
        return y


def resnet(width: int = 64, blocks: int = 9) -> Network:
    """CycleGAN's generator: (N,3,H,W) in [-1, 1] to the same; sides are multiples of 4."""

    def stage(layer: nn.Module, outputs: int) -> list[nn.Module]:
        return [layer, nn.InstanceNorm2d(outputs), nn.ReLU(True)]

    w = width
    layers = [
        nn.ReflectionPad2d(3),
        *stage(nn.Conv2d(3, w, 7), w),
        *stage(nn.Conv2d(w, 2 * w, 3, 2, 1), 2 * w),
        *stage(nn.Conv2d(2 * w, 4 * w, 3, 2, 1), 4 * w),
        *(Residual(4 * w) for _ in range(blocks)),
        *stage(nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1), 2 * w),
        *stage(nn.ConvTranspose2d(2 * w, w, 3, 2, 1, 1), w),
        nn.ReflectionPad2d(3),
        nn.Conv2d(w, 3, 7),
        nn.Tanh(),
    ]
    return Network(nn.Sequential(*layers))


class Level(nn.Module):
    """One level of the U-Net around all that are deeper: its input goes beside its output, but for the outermost."""

    def __init__(self, *layers: nn.Module, beside: bool = True) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.beside = beside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return torch.cat([x, y], 1) if self.beside else y


def unet(width: int = 64, levels: int = 8, dropout: bool = True) -> Network:
    """pix2pix' generator: (N,3,H,W) in [-1, 1] to the same; sides are multiples of 2^levels."""
    widths = [min(2**level, 8) * width for level in range(levels)]
    inner: nn.Module | None = None
    for level in reversed(range(1, levels)):
        above, here = widths[level - 1], widths[level]
        down: list[nn.Module] = [nn.LeakyReLU(0.2, True), nn.Conv2d(above, here, 4, 2, 1, bias=False)]
        grow = nn.ConvTranspose2d(here if inner is None else 2 * here, above, 4, 2, 1, bias=False)
        up: list[nn.Module] = [nn.ReLU(True), grow, nn.BatchNorm2d(above)]
        if inner is not None:
            down += [nn.BatchNorm2d(here), inner]
            if dropout and above == here:
                up.append(nn.Dropout(0.5))
        inner = Level(*down, *up)
    assert inner is not None
    first, last = nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)
    return Network(Level(first, inner, nn.ReLU(True), last, nn.Tanh(), beside=False))


def patchgan(channels: int, norm: NormLayer, width: int = 64) -> Network:
    """The discriminator: (N,channels,H,W) to a logit for each patch of 70x70 pixels."""
    bias = norm is nn.InstanceNorm2d
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for inputs, outputs, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        layers.append(nn.Conv2d(inputs * width, outputs * width, 4, stride, 1, bias=bias))
        layers += [norm(outputs * width), nn.LeakyReLU(0.2, True)]
    return Network(nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1)))
