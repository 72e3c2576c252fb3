"""Configs that discriminators of several plugins share: a plugin subclasses one, names it and sets its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from toonforge.components import Discriminator, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn.choices import BIAS_DOC, NORM_DOC, Norm
from toonforge.nn.shapes import conv_size, one_picture, with_channels

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PictureDiscriminator", "PatchGANConfig", "PixelGANConfig"]

D = TypeVar("D", bound="PictureDiscriminator")

PAPER = "pix2pix, appendix 6.1.2"


@component
class PictureDiscriminator(Discriminator):
    """A discriminator of pictures, with a number of channels that recipes infer.

    Attributes:
        name: what messages call it: its name in the registry.
    """

    name: ClassVar[str] = "the discriminator"

    in_channels: int | None = param(
        None,
        doc="channels of the input, 6 for two pictures; inferred in a recipe, otherwise 3",
        unit="channels",
        at_least=1,
    )

    def fit(self: D, *inputs: Shape) -> D:
        """With the input's channels filled in."""
        return with_channels(self, one_picture(self.name, inputs, self.in_channels)[0])


@component
class PatchGANConfig(PictureDiscriminator):
    """One logit for each overlapping patch of the picture; 70x70 pixels with 3 layers.

    `D(cat(input, output))` makes it conditional.
    """

    layers: int = param(
        3,
        doc="strided convolutions; patches of 16, 34, 70, 142 pixels for 1, 2, 3, 4",
        at_least=1,
        at_most=8,
        source=PAPER,
        tiny=1,
    )
    width: int = param(
        64,
        doc="channels of the first convolution, doubling up to 8 times as many",
        unit="channels",
        at_least=1,
        source=PAPER,
        tiny=4,
    )
    norm: Norm = param("batch", doc=NORM_DOC + ", none after the first and the last", source=PAPER)
    kernel: int = param(4, doc="side of every convolution", unit="pixels", at_least=3, at_most=7, source=PAPER)
    spectral_norm: bool = param(False, doc="spectral normalisation of every convolution")
    bias: bool | None = param(None, doc=BIAS_DOC)

    def shape(self, *inputs: Shape) -> Shape:
        """(1, rows, columns) of patches; refuses pictures on which not one fits."""
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        patches = self.patches(height), self.patches(width)
        if min(patches) < 1:
            least = next(size for size in range(1, 10_000) if self.patches(size) >= 1)
            raise ShapeError(
                f"{self.name} with {self.layers} layers needs pictures of at least {least}x{least}, found "
                f"{height}x{width}: use larger pictures or fewer layers"
            )
        return (1, *patches)

    def patches(self, size: int) -> int:
        """How many fit along a side of so many pixels; 0 where a norm would see a single pixel of a picture."""
        padding = (self.kernel - 1) // 2
        for stride in [2] * self.layers + [1]:
            size = conv_size(size, self.kernel, stride, padding)
            if size < 2:
                return 0
        return conv_size(size, self.kernel, 1, padding)

    def build(self) -> nn.Module:
        """`toonforge.nn.patchgan.PatchGAN`."""
        from toonforge.nn.patchgan import PatchGAN

        return PatchGAN(
            self.in_channels or 3,
            width=self.width,
            layers=self.layers,
            norm=self.norm,
            kernel=self.kernel,
            spectral=self.spectral_norm,
            bias=self.bias,
        )


@component
class PixelGANConfig(PictureDiscriminator):
    """One logit for each pixel on its own: 1x1 convolutions, which judge colours and nothing else."""

    width: int = param(
        64,
        doc="channels of the first convolution; twice as many in the second",
        unit="channels",
        at_least=1,
        source=PAPER,
        tiny=4,
    )
    norm: Norm = param("batch", doc=NORM_DOC + ", one: after the second", source=PAPER)
    spectral_norm: bool = param(False, doc="spectral normalisation of every convolution")
    bias: bool | None = param(None, doc="of the second and third convolution; as the norm asks for when left out")

    def shape(self, *inputs: Shape) -> Shape:
        """(1, H, W); refuses a single pixel, over which there is nothing to normalise."""
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        if height * width < 2:
            raise ShapeError(f"{self.name} needs pictures of at least two pixels, found {height}x{width}")
        return (1, height, width)

    def build(self) -> nn.Module:
        """`toonforge.nn.patchgan.PixelGAN`."""
        from toonforge.nn.patchgan import PixelGAN

        return PixelGAN(
            self.in_channels or 3, width=self.width, norm=self.norm, spectral=self.spectral_norm, bias=self.bias
        )
