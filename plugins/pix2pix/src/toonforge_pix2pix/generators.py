"""The generator's config: fields with the original's values, shapes, and how to build the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Generator, Shape, component, param
from toonforge.errors import FieldError
from toonforge.nn import Interpolation, Norm, Padding, Statistics, Upsample, one_picture, with_channels
from toonforge.nn.choices import INTERPOLATION_DOC, NORM_DOC, STATISTICS_DOC, UPSAMPLE_DOC

if TYPE_CHECKING:
    from torch import nn

PAPER = "pix2pix, appendix 6.1"


@component
class Unet(Generator):
    """pix2pix' U-Net: 8 strided stages down to one pixel of 256, and back with skip connections."""

    levels: int = param(
        8,
        doc="stages down; smaller pictures than 2^levels are padded up",
        source=PAPER,
        at_least=1,
        at_most=12,
        tiny=2,
    )
    width: int = param(
        64,
        doc="channels of the first stage, doubling up to 8 times as many",
        unit="channels",
        source=PAPER,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("batch", doc=NORM_DOC, source=PAPER)
    statistics: Statistics = param("picture", doc=STATISTICS_DOC, source="pix2pix, section 3.4")
    dropout: float = param(
        0.5,
        doc="probability in the decoder stages between two of the widest, in training alone",
        at_least=0,
        below=1,
        source=PAPER,
    )
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=PAPER)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    padding: Padding = param("zero", doc="what convolutions see beyond the border", source="pix2pix code")
    residual: bool = param(
        False, doc="start as the identity and learn a difference: output = clamp(input + 2 network(input))"
    )
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )
    out_channels: int = param(3, doc="channels of the output", unit="channels", at_least=1)

    def __attrs_post_init__(self) -> None:
        channels = self.in_channels or 3
        if self.residual and channels != self.out_channels:
            raise FieldError(
                "out_channels", self.out_channels, f"{channels} as in the input", "`residual` adds the two"
            )

    def fit(self, *inputs: Shape) -> Unet:
        """With the input's channels filled in."""
        return with_channels(self, one_picture("pix2pix/unet", inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """The input's height and width, whatever they are."""
        _, height, width = one_picture("pix2pix/unet", inputs, self.in_channels)
        return (self.out_channels, height, width)

    def build(self) -> nn.Module:
        """`toonforge.nn.unet.UnetGenerator`."""
        from toonforge.nn.unet import UnetGenerator

        return UnetGenerator(
            self.in_channels or 3,
            self.out_channels,
            levels=self.levels,
            width=self.width,
            norm=self.norm,
            statistics=self.statistics,
            upsample=self.upsample,
            interpolation=self.interpolation,
            dropout=self.dropout,
            padding=self.padding,
            residual=self.residual,
        )
