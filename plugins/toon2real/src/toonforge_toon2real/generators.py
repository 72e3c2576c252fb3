"""The generator's config: Johnson's network with the paper's six blocks, or its Table 1 to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Generator, Shape, component, param
from toonforge.errors import FieldError
from toonforge.nn import Interpolation, Norm, Padding, Upsample, one_picture, with_channels
from toonforge.nn.choices import INTERPOLATION_DOC, NORM_DOC, UPSAMPLE_DOC

if TYPE_CHECKING:
    from torch import nn

NAME = "toon2real/resnet"
TABLE = "Toon2real, Table 1"
JOHNSON = "Johnson et al. as CycleGAN builds it; Toon2real is silent"


@component
class Resnet(Generator):
    """Johnson's ResNet generator with 6 residual blocks: 7x7 stem, two strided stages, blocks, two upsampling stages.

    Table 1 ends with instance norm and ReLU after the last convolution, which cannot yield pictures in [-1, 1]. By
    default the last convolution is followed by tanh instead, as in the network that the paper says it took.
    """

    blocks: int = param(6, doc="residual blocks", source=TABLE, at_least=0, tiny=1)
    width: int = param(
        64,
        doc="channels after the stem; 4 times as many in the blocks",
        unit="channels",
        source=TABLE,
        at_least=1,
        tiny=4,
    )
    as_printed: bool = param(
        False,
        doc="Table 1 to the letter: norm and ReLU end the network, which works on pictures in [0, 1] inside: it sees "
        "(x + 1) / 2 and yields 2y - 1, at least -1; what is above 1 is kept in training, so that it has a gradient, "
        "and cut off in use",
        source=TABLE,
    )
    norm: Norm = param("instance", doc=NORM_DOC, source=TABLE)
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=TABLE)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    padding: Padding = param("reflect", doc="what unstrided convolutions see beyond the border", source=JOHNSON)
    residual: bool = param(
        False,
        doc="for short trainings: start as the identity, learn a difference: output = clamp(input + 2 network(input))",
    )
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )
    out_channels: int = param(3, doc="channels of the output", unit="channels", source=TABLE, at_least=1)

    def __attrs_post_init__(self) -> None:
        if self.residual and self.as_printed:
            raise FieldError("residual", True, "false with `as_printed`", "Table 1 has no such path")
        channels = self.in_channels or 3
        if self.residual and channels != self.out_channels:
            raise FieldError(
                "out_channels", self.out_channels, f"{channels} as in the input", "`residual` adds the two"
            )

    def fit(self, *inputs: Shape) -> Resnet:
        """With the input's channels filled in."""
        return with_channels(self, one_picture(NAME, inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """The input's height and width, whatever they are."""
        _, height, width = one_picture(NAME, inputs, self.in_channels)
        return (self.out_channels, height, width)

    def build(self) -> nn.Module:
        """`toonforge.nn.resnet.ResnetGenerator`, or the `PrintedResnet` made of it."""
        from toonforge.nn.resnet import ResnetGenerator
        from toonforge_toon2real.as_printed import PrintedResnet

        network = PrintedResnet if self.as_printed else ResnetGenerator
        return network(
            self.in_channels or 3,
            self.out_channels,
            width=self.width,
            blocks=self.blocks,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            padding=self.padding,
            residual=self.residual,
        )
