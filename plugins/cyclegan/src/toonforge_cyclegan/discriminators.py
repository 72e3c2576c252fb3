"""The discriminators' configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Norm, one_picture
from toonforge.nn.choices import NORM_DOC
from toonforge.nn.discriminators import PatchGANConfig, PictureDiscriminator, PixelGANConfig

if TYPE_CHECKING:
    from torch import nn


@component
class PatchGAN(PatchGANConfig):
    """One logit for each overlapping patch of the picture; 70x70 pixels with 3 layers."""

    name = "cyclegan/patchgan"

    norm: Norm = param(
        "instance", doc=NORM_DOC + ", none after the first and the last", source="CycleGAN, appendix 7.2"
    )


@component
class PixelGAN(PixelGANConfig):
    """One logit for each pixel on its own: 1x1 convolutions, which judge colours and nothing else."""

    name = "cyclegan/pixelgan"

    norm: Norm = param("instance", doc=NORM_DOC + ", one: after the second", source="CycleGAN code, networks.py")


@component
class Plain(PictureDiscriminator):
    """The photo-anime paper's discriminator: 3x3 convolutions, then one linear layer to one logit a picture.

    The paper gives neither strides nor norms. Here each convolution halves the sides, no norm follows the first, and
    the linear layer sees the average over all places, so that pictures of any size fit.
    """

    name = "cyclegan/plain"

    layers: int = param(
        4,
        doc="convolutions of stride 2; channels double from `width` to 512 with the default",
        at_least=1,
        at_most=8,
        source="Photo-Anime Translation, section 4.1",
        tiny=2,
    )
    width: int = param(64, doc="channels of the first convolution, doubling", unit="channels", at_least=1, tiny=4)
    norm: Norm = param("instance", doc=NORM_DOC + ", none after the first")
    spectral_norm: bool = param(False, doc="spectral normalisation of every layer")

    def shape(self, *inputs: Shape) -> Shape:
        """(1,): one logit a picture; refuses pictures that the convolutions shrink to less than 2x2."""
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        least = 2**self.layers + 1
        if min(height, width) < least:
            raise ShapeError(
                f"{self.name} with {self.layers} layers needs pictures of at least {least}x{least}, found "
                f"{height}x{width}: use larger pictures or fewer layers"
            )
        return (1,)

    def build(self) -> nn.Module:
        """`toonforge.nn.plain.PlainDiscriminator`."""
        from toonforge.nn.plain import PlainDiscriminator

        return PlainDiscriminator(
            self.in_channels or 3,
            width=self.width,
            layers=self.layers,
            norm=self.norm,
            spectral=self.spectral_norm,
        )
