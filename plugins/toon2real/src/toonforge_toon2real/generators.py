"""The generator's config: Johnson's network with the paper's six blocks, or its Table 1 to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.errors import FieldError
from toonforge.nn.generators import ResnetConfig

if TYPE_CHECKING:
    from torch import nn

TABLE = "Toon2real, Table 1"


@component
class Resnet(ResnetConfig):
    """Johnson's ResNet generator with 6 residual blocks: 7x7 stem, two strided stages, blocks, two upsampling stages.

    Table 1 ends with instance norm and ReLU after the last convolution, which cannot yield pictures in [-1, 1]. By
    default the last convolution is followed by tanh instead, as in the network that the paper says it took.
    """

    name = "toon2real/resnet"

    blocks: int = param(6, doc="residual blocks", source=TABLE, at_least=0, tiny=1)
    as_printed: bool = param(
        False,
        doc="Table 1 to the letter: norm and ReLU end the network, which works on pictures in [0, 1] inside: it sees "
        "(x + 1) / 2 and yields 2y - 1, at least -1; what is above 1 is kept in training, so that it has a gradient, "
        "and cut off in use",
        source=TABLE,
    )

    def __attrs_post_init__(self) -> None:
        if self.residual and self.as_printed:
            raise FieldError("residual", True, "false with `as_printed`", "Table 1 has no such path: residual = false")
        super().__attrs_post_init__()

    def build(self) -> nn.Module:
        """`toonforge.nn.resnet.ResnetGenerator`, or the `PrintedResnet` made of it."""
        if not self.as_printed:
            return super().build()
        from toonforge_toon2real.as_printed import PrintedResnet

        return PrintedResnet(
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
        )
