"""The discriminator's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Norm, one_picture
from toonforge.nn.choices import NORM_DOC
from toonforge.nn.discriminators import PictureDiscriminator

if TYPE_CHECKING:
    from torch import nn

CODE = "AnimeGANv2 code, net/discriminator.py, main.py"
LEAST = 5  # pixels: a quarter of it, rounded up, is 2


@component
class PatchGAN(PictureDiscriminator):
    """AnimeGANv2's discriminator: 3x3 convolutions with spectral and layer norm to a logit every 4 pixels."""

    name = "animegan/patchgan"

    width: int = param(
        32,
        doc="channels of the first convolution; 8 times as many at the end",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("layer", doc=NORM_DOC + ", none after the first and the strided ones", source=CODE)
    spectral_norm: bool = param(True, doc="spectral normalisation of every convolution", source=CODE)
    epsilon: float = param(
        1e-12, doc="added to the variances that norms divide by", source="tf.contrib.layers.layer_norm", above=0
    )

    def shape(self, *inputs: Shape) -> Shape:
        """(1, H/4, W/4), rounded up."""
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        if min(height, width) < LEAST:
            raise ShapeError(
                f"{self.name} needs pictures of at least {LEAST}x{LEAST}, found {height}x{width}: use larger pictures"
            )
        return (1, -(-height // 4), -(-width // 4))

    def build(self) -> nn.Module:
        """`toonforge_animegan.networks.AnimeDiscriminator`."""
        from toonforge_animegan.networks import AnimeDiscriminator

        return AnimeDiscriminator(
            self.in_channels or 3,
            width=self.width,
            norm=self.norm,
            spectral=self.spectral_norm,
            epsilon=self.epsilon,
        )
