"""The discriminator's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Norm, one_picture
from toonforge.nn.choices import NORM_DOC
from toonforge.nn.discriminators import PictureDiscriminator
from toonforge_cartoongan.generators import CODE, PAPER

if TYPE_CHECKING:
    from torch import nn

LEAST = 5  # pixels: a quarter of it, rounded up, is 2, and a norm over one pixel of one picture has nothing to do


@component
class PatchGAN(PictureDiscriminator):
    """CartoonGAN's discriminator: 3x3 convolutions to a logit for each patch of 37x37 pixels, one every 4 pixels."""

    name = "cartoongan/patchgan"

    width: int = param(
        32,
        doc="channels of the first convolution; 8 times as many in the last",
        unit="channels",
        source=PAPER,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("instance-affine", doc=NORM_DOC + ", none after the first and the strided ones", source=CODE)
    spectral_norm: bool = param(False, doc="spectral normalisation of every convolution")

    def shape(self, *inputs: Shape) -> Shape:
        """(1, H/4, W/4), rounded up."""
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        if min(height, width) < LEAST:
            raise ShapeError(
                f"{self.name} needs pictures of at least {LEAST}x{LEAST}, found {height}x{width}: use larger pictures"
            )
        return (1, -(-height // 4), -(-width // 4))

    def build(self) -> nn.Module:
        """`toonforge_cartoongan.networks.CartoonDiscriminator`."""
        from toonforge_cartoongan.networks import CartoonDiscriminator

        return CartoonDiscriminator(
            self.in_channels or 3, width=self.width, norm=self.norm, spectral=self.spectral_norm
        )
