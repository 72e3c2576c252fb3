"""Configs of the generators that several plugins build from: a plugin subclasses one, names it and sets its defaults.

@component
class Unet(UnetConfig):
    name = "my-plugin/unet"
    norm: Norm = param("batch", doc=NORM_DOC)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from toonforge.components import Generator, Shape, component, param
from toonforge.errors import FieldError
from toonforge.nn.choices import (
    BIAS_DOC,
    INTERPOLATION_DOC,
    NORM_DOC,
    STATISTICS_DOC,
    UPSAMPLE_DOC,
    Interpolation,
    Norm,
    Padding,
    Statistics,
    Upsample,
)
from toonforge.nn.shapes import one_picture, with_channels

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PictureGenerator", "ResidualGenerator", "ResnetConfig", "UnetConfig", "RESIDUAL_DOC"]

G = TypeVar("G", bound="PictureGenerator")

CODE = "CycleGAN code, networks.py"
RESIDUAL_DOC = "start as the identity and learn a difference: output = clamp(input + 2 network(input))"


@component
class PictureGenerator(Generator):
    """A generator of pictures of any size, with a number of channels that recipes infer.

    Attributes:
        name: what messages call it: its name in the registry.
    """

    name: ClassVar[str] = "the generator"

    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )
    out_channels: int = param(3, doc="channels of the output", unit="channels", at_least=1)

    def fit(self: G, *inputs: Shape) -> G:
        """With the input's channels filled in."""
        return with_channels(self, one_picture(self.name, inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """The input's height and width, whatever they are."""
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        return (self.out_channels, height, width)


@component
class ResidualGenerator(PictureGenerator):
    """One that may learn the difference to its input."""

    residual: bool = param(False, doc=RESIDUAL_DOC)

    def __attrs_post_init__(self) -> None:
        channels = self.in_channels or 3
        if self.residual and channels != self.out_channels:
            raise FieldError(
                "out_channels", self.out_channels, f"{channels} as in the input", "`residual` adds the two"
            )


@component
class ResnetConfig(ResidualGenerator):
    """Johnson's ResNet generator: 7x7 stem, two strided stages, residual blocks, two upsampling stages, 7x7 head."""

    blocks: int = param(
        9,
        doc="residual blocks; CycleGAN takes 9 for 256 pixels, 6 for 128",
        source="CycleGAN, appendix 7.2",
        at_least=0,
        tiny=1,
    )
    width: int = param(
        64,
        doc="channels after the stem; 4 times as many in the blocks",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("instance", doc=NORM_DOC, source="CycleGAN, appendix 7.2")
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=CODE)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    dropout: float = param(
        0.0, doc="probability inside the blocks (the original's option is 0.5)", at_least=0, below=1, source=CODE
    )
    padding: Padding = param("reflect", doc="what unstrided convolutions see beyond the border", source=CODE)
    block_padding: Padding | None = param(None, doc="that of the residual blocks alone; as `padding` when left out")
    bias: bool | None = param(None, doc=BIAS_DOC, source=CODE)
    statistics: Statistics = param("running", doc=STATISTICS_DOC, source="pix2pix, section 3.3")

    def build(self) -> nn.Module:
        """`toonforge.nn.resnet.ResnetGenerator`."""
        from toonforge.nn.resnet import ResnetGenerator

        return ResnetGenerator(
            self.in_channels or 3,
            self.out_channels,
            width=self.width,
            blocks=self.blocks,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            dropout=self.dropout,
            padding=self.padding,
            block_padding=self.block_padding,
            bias=self.bias,
            statistics=self.statistics,
            residual=self.residual,
        )


@component
class UnetConfig(ResidualGenerator):
    """pix2pix' U-Net generator: strided stages down to 1 / 2^levels, and back with skip connections."""

    levels: int = param(
        8, doc="stages down; smaller pictures than 2^levels are padded up", source=CODE, at_least=1, at_most=12, tiny=2
    )
    width: int = param(
        64,
        doc="channels of the first stage, doubling up to 8 times as many",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("batch", doc=NORM_DOC, source="pix2pix, appendix 6.1")
    statistics: Statistics = param("running", doc=STATISTICS_DOC, source="pix2pix, section 3.3")
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=CODE)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    dropout: float = param(
        0.0,
        doc="probability in the decoder stages between two of the widest, in training alone (pix2pix: 0.5)",
        at_least=0,
        below=1,
        source=CODE,
    )
    padding: Padding = param("zero", doc="what convolutions see beyond the border", source=CODE)
    bias: bool | None = param(None, doc=BIAS_DOC, source=CODE)

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
            bias=self.bias,
            residual=self.residual,
        )
