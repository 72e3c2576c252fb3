"""The discriminator's config: pix2pix' conditional PatchGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Discriminator, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Norm, conv_size, one_picture, with_channels
from toonforge.nn.choices import NORM_DOC

if TYPE_CHECKING:
    from torch import nn

NAME = "mha-unet/patchgan"
CODE = "AnshumanMishra21345/Pix2Pix-Implementation, models/discriminator.py"


@component
class PatchGAN(Discriminator):
    """One logit for each 70x70 patch; conditional when called with `cat(input, output)`, 6 channels."""

    layers: int = param(
        3,
        doc="strided convolutions; patches of 16, 34, 70, 142 pixels for 1, 2, 3, 4",
        source=CODE,
        at_least=1,
        at_most=8,
        tiny=1,
    )
    width: int = param(
        64,
        doc="channels of the first convolution, doubling up to 8 times as many",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("batch", doc=NORM_DOC + ", none after the first and the last", source=CODE)
    spectral_norm: bool = param(False, doc="spectral normalisation of every convolution")
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )

    def fit(self, *inputs: Shape) -> PatchGAN:
        """With the input's channels filled in."""
        return with_channels(self, one_picture(NAME, inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """(1, rows, columns) of patches; refuses pictures on which not one fits."""
        _, height, width = one_picture(NAME, inputs, self.in_channels)
        patches = self._patches(height), self._patches(width)
        if min(patches) < 1:
            least = next(size for size in range(1, 10_000) if self._patches(size) >= 1)
            raise ShapeError(
                f"{NAME} with {self.layers} layers needs pictures of at least {least}x{least}, found "
                f"{height}x{width}: use larger pictures or fewer layers"
            )
        return (1, *patches)

    def _patches(self, size: int) -> int:
        for stride in [2] * self.layers + [1]:
            size = conv_size(size, 4, stride, 1)
            if size < 2:  # a norm over one pixel of one picture has nothing to normalise
                return 0
        return conv_size(size, 4, 1, 1)

    def build(self) -> nn.Module:
        """`toonforge.nn.patchgan.PatchGAN`."""
        from toonforge.nn.patchgan import PatchGAN as Network

        return Network(
            self.in_channels or 3, width=self.width, layers=self.layers, norm=self.norm, spectral=self.spectral_norm
        )
