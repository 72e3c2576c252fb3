"""The generators' configs: fields with the original's values, and how to build the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.nn import Interpolation, Norm, Upsample
from toonforge.nn.choices import INTERPOLATION_DOC, NORM_DOC, UPSAMPLE_DOC
from toonforge.nn.generators import RESIDUAL_DOC, ResidualGenerator, ResnetConfig, UnetConfig

if TYPE_CHECKING:
    from torch import nn


@component
class Resnet(ResnetConfig):
    """Johnson's ResNet generator: 7x7 stem, two strided stages, residual blocks, two upsampling stages, 7x7 head."""

    name = "cyclegan/resnet"


@component
class Unet(UnetConfig):
    """pix2pix' U-Net generator: strided stages down to 1 / 2^levels, and back with skip connections."""

    name = "cyclegan/unet"


@component
class DoubleUnet(ResidualGenerator):
    """Ronneberger's U-Net, two convolutions a size: keeps fine lines with few channels and short trainings."""

    name = "cyclegan/double-unet"

    levels: int = param(3, doc="times the sides are halved", at_least=1, at_most=8, tiny=1)
    width: int = param(
        16,
        doc="channels at the picture's own size, doubling up to 4 times as many",
        unit="channels",
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("none", doc=NORM_DOC + "; instance norm leaves blobs in flat regions after short trainings")
    upsample: Upsample = param("resize", doc=UPSAMPLE_DOC)
    interpolation: Interpolation = param("bilinear", doc=INTERPOLATION_DOC)
    residual: bool = param(True, doc=RESIDUAL_DOC)

    def build(self) -> nn.Module:
        """`toonforge.nn.double_unet.DoubleUnetGenerator`."""
        from toonforge.nn.double_unet import DoubleUnetGenerator

        return DoubleUnetGenerator(
            self.in_channels or 3,
            self.out_channels,
            levels=self.levels,
            width=self.width,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            residual=self.residual,
        )
