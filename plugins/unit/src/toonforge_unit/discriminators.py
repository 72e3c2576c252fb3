"""The discriminator's config: patches judged at three sizes of the picture, each by a network of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Padding, conv_size, picture_and_number
from toonforge.nn.discriminators import PictureDiscriminator

if TYPE_CHECKING:
    from torch import nn

CONFIGS = "UNIT code, configs/unit_*.yaml"


@component
class MultiScale(PictureDiscriminator):
    """A network for the picture, one for the picture at half the size, and so on; `D(photo, 1)` asks the second.

    Each is strided 4x4 convolutions without a norm, then a 1x1 convolution to one logit for each patch of 46 pixels.
    """

    name = "unit/multi-scale"

    scales: int = param(
        3, doc="networks, each for half the size of the one before", source=CONFIGS, at_least=1, at_most=6
    )
    layers: int = param(
        4,
        doc="strided convolutions of each; patches of 4, 10, 22, 46 pixels for 1, 2, 3, 4",
        source=CONFIGS,
        at_least=1,
        at_most=8,
        tiny=1,
    )
    width: int = param(
        64, doc="channels of the first convolution, doubling", unit="channels", source=CONFIGS, at_least=1, tiny=4
    )
    padding: Padding = param("reflect", doc="what convolutions see beyond the border", source=CONFIGS)

    def shape(self, *inputs: Shape | float) -> Shape:
        """(1, rows, columns) of patches at a scale; refuses pictures on which not one fits."""
        _, height, width, scale = picture_and_number(
            self.name, inputs, self.in_channels, field="scales", count=self.scales
        )
        patches = self.patches(height, scale), self.patches(width, scale)
        if min(patches) < 1:
            least = next(side for side in range(1, 100_000) if self.patches(side, scale) >= 1)
            raise ShapeError(
                f"{self.name} with {self.layers} layers needs pictures of at least {least}x{least} for scale {scale}, "
                f"found {height}x{width}: use larger pictures, fewer layers or fewer scales"
            )
        return (1, *patches)

    def patches(self, side: int, scale: int) -> int:
        """How many fit along a side of so many pixels at a scale; 0 where none fits."""
        for _ in range(scale):
            side = conv_size(side, 3, 2, 1)
        for _ in range(self.layers):
            side = conv_size(side, 4, 2, 1)
        return side

    def build(self) -> nn.Module:
        """`toonforge_unit.multi_scale.MultiScaleDiscriminator`."""
        from toonforge_unit.multi_scale import MultiScaleDiscriminator

        return MultiScaleDiscriminator(
            self.in_channels or 3, scales=self.scales, layers=self.layers, width=self.width, padding=self.padding
        )
