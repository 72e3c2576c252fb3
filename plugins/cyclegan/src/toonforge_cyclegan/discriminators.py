"""The discriminators' configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Discriminator, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Norm, conv_size, one_picture, with_channels
from toonforge.nn.choices import NORM_DOC

if TYPE_CHECKING:
    from torch import nn


@component
class PatchGAN(Discriminator):
    """One logit for each overlapping patch of the picture; 70x70 pixels with 3 layers."""

    layers: int = param(
        3,
        doc="strided convolutions; patches of 16, 34, 70, 142 pixels for 1, 2, 3, 4",
        at_least=1,
        at_most=8,
        source="CycleGAN, appendix 7.2",
        tiny=1,
    )
    width: int = param(
        64,
        doc="channels of the first convolution, doubling up to 8 times as many",
        unit="channels",
        at_least=1,
        source="CycleGAN, appendix 7.2",
        tiny=4,
    )
    norm: Norm = param(
        "instance", doc=NORM_DOC + ", none after the first and the last", source="CycleGAN, appendix 7.2"
    )
    kernel: int = param(4, doc="side of every convolution", unit="pixels", at_least=3, at_most=7)
    spectral_norm: bool = param(False, doc="spectral normalisation of every convolution")
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )

    def fit(self, *inputs: Shape) -> PatchGAN:
        """With the input's channels filled in."""
        return with_channels(self, one_picture("cyclegan/patchgan", inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """(1, rows, columns) of patches; refuses pictures on which not one fits."""
        _, height, width = one_picture("cyclegan/patchgan", inputs, self.in_channels)
        patches = self._patches(height), self._patches(width)
        if min(patches) < 1:
            least = next(size for size in range(1, 10_000) if self._patches(size) >= 1)
            raise ShapeError(
                f"cyclegan/patchgan with {self.layers} layers needs pictures of at least {least}x{least}, found "
                f"{height}x{width}: use larger pictures or fewer layers"
            )
        return (1, *patches)

    def _patches(self, size: int) -> int:
        padding = (self.kernel - 1) // 2
        for stride in [2] * self.layers + [1]:
            size = conv_size(size, self.kernel, stride, padding)
            if size < 2:  # a norm over one pixel of one picture has nothing to normalise
                return 0
        return conv_size(size, self.kernel, 1, padding)

    def build(self) -> nn.Module:
        """`toonforge.nn.patchgan.PatchGAN`."""
        from toonforge.nn.patchgan import PatchGAN as Network

        return Network(
            self.in_channels or 3,
            width=self.width,
            layers=self.layers,
            norm=self.norm,
            kernel=self.kernel,
            spectral=self.spectral_norm,
        )


@component
class Plain(Discriminator):
    """The photo-anime paper's discriminator: 3x3 convolutions, then one linear layer to one logit a picture.

    The paper gives neither strides nor norms. Here each convolution halves the sides, no norm follows the first, and
    the linear layer sees the average over all places, so that pictures of any size fit.
    """

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
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )

    def fit(self, *inputs: Shape) -> Plain:
        """With the input's channels filled in."""
        return with_channels(self, one_picture("cyclegan/plain", inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """(1,): one logit a picture; refuses pictures that the convolutions shrink to less than 2x2."""
        _, height, width = one_picture("cyclegan/plain", inputs, self.in_channels)
        least = 2**self.layers + 1
        if min(height, width) < least:
            raise ShapeError(
                f"cyclegan/plain with {self.layers} layers needs pictures of at least {least}x{least}, found "
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
