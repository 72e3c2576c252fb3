"""The discriminator's config: one judge of a domain, who looks at pictures as they are and at halved ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import conv_size, picture_and_number
from toonforge.nn.discriminators import PictureDiscriminator

if TYPE_CHECKING:
    from torch import nn

CODE = "SingleGAN code, models/model.py"


@component
class MultiScale(PictureDiscriminator):
    """SingleGAN's discriminator of one domain: patches of a picture at several sizes, one call each: `D(photo, 1)`.

    Scale 0 judges the picture as it is, scale 1 the picture halved, with layers of its own, half as wide, and so on.
    Its loss is the sum of the scales' losses: a recipe writes a term for each. Strided 4x4 convolutions, no norm but
    spectral normalisation; a logit sees 46x46 pixels of a picture at its scale with 3 layers.
    """

    name = "singlegan/multi-scale"

    scales: int = param(
        2, doc="how many sizes are judged, each half of the one before", source=CODE, at_least=1, at_most=5
    )
    layers: int = param(
        3,
        doc="strided convolutions of each scale; a logit sees 10, 22, 46, 94 pixels with 1, 2, 3, 4",
        source=CODE,
        at_least=1,
        at_most=7,
        tiny=1,
    )
    width: int = param(
        64,
        doc="channels of scale 0's first convolution, doubling up to 8 times as many; half of that at the next scale",
        unit="channels",
        source="SingleGAN code, options: ndf",
        at_least=1,
        tiny=4,
    )
    spectral_norm: bool = param(
        True,
        doc="spectral normalisation of every convolution: one power iteration at each call in training",
        source="SingleGAN code, README; not in the paper",
    )

    def shape(self, *inputs: Shape | float) -> Shape:
        """(1, rows, columns) of patches at a scale; refuses pictures on which not one fits."""
        _, height, width, scale = picture_and_number(
            self.name, inputs, self.in_channels, field="scales", count=self.scales
        )
        patches = self.patches(height, scale), self.patches(width, scale)
        if min(patches) < 1:
            least = next(size for size in range(1, 100_000) if self.patches(size, scale) >= 1)
            raise ShapeError(
                f"{self.name} with {self.layers} layers needs pictures of at least {least}x{least} at scale {scale}, "
                f"found {height}x{width}: use larger pictures, fewer layers or fewer scales"
            )
        return (1, *patches)

    def patches(self, size: int, scale: int) -> int:
        """How many fit along a side of so many pixels; 0 where none does."""
        for _ in range(scale):
            size = conv_size(size, 3, 2, 1)
        for _ in range(self.layers):
            if size < 2:  # a single pixel cannot be reflected
                return 0
            size = conv_size(size, 4, 2, 1)
        return size - 1 if size > 1 else 0

    def build(self) -> nn.Module:
        """`toonforge_singlegan.discriminator.MultiScaleDiscriminator`."""
        from toonforge_singlegan.discriminator import MultiScaleDiscriminator

        return MultiScaleDiscriminator(
            self.in_channels or 3,
            width=self.width,
            layers=self.layers,
            scales=self.scales,
            spectral=self.spectral_norm,
        )
