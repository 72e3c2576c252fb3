"""The generator's config: fields with the slides' values, the sizes it refuses, and how to build the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Shape, changed, component, param
from toonforge.errors import FieldError, ShapeError
from toonforge.nn import Interpolation, Norm, Upsample, one_picture
from toonforge.nn.choices import INTERPOLATION_DOC, NORM_DOC, UPSAMPLE_DOC
from toonforge.nn.generators import PictureGenerator

if TYPE_CHECKING:
    from torch import nn

SLIDES = "pix2pix cartoonization slides"
CODE = "AnshumanMishra21345/Pix2Pix-Implementation, models/generator.py"


@component
class Unet(PictureGenerator):
    """U-Net whose bottleneck pixels attend to each other; training on pictures of less than 2x2 tokens is refused.

    With 8 levels 512x512 pixels are 2x2 tokens, 256x256 are one, over which attention is only a linear map.
    """

    name = "mha-unet/unet"

    levels: int = param(
        8,
        doc="stages down; one token stands for 2^levels x 2^levels pixels",
        source=SLIDES,
        at_least=2,
        at_most=12,
        tiny=2,
    )
    width: int = param(
        64,
        doc="channels of the first stage, doubling up to 8 times as many",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    heads: int = param(
        8,
        doc="heads of the attention over the bottleneck's tokens; 0 leaves attention out (the ablation)",
        source=SLIDES,
        at_least=0,
    )
    last_kernel: int = param(
        5,
        doc="side of the innermost encoder convolution; all others are 4",
        unit="pixels",
        source=SLIDES,
        at_least=3,
        at_most=7,
    )
    norm: Norm = param("batch", doc=NORM_DOC + ", none after the innermost encoder stage and the last", source=CODE)
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=SLIDES)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    dropout: float = param(0.5, doc="probability in the first three decoder stages", at_least=0, below=1, source=CODE)

    def __attrs_post_init__(self) -> None:
        if self.heads and self.channels % self.heads:
            expected = f"a divisor of the bottleneck's {self.channels} channels, or 0"
            raise FieldError("heads", self.heads, expected, "each head sees an equal share of the channels")

    @property
    def channels(self) -> int:
        """Of the bottleneck: of one token."""
        return self.width << min(self.levels - 1, 3)

    def tiny(self) -> Unet:
        """Two levels of few channels; as many heads as 8 channels can have, none where there were none."""
        return changed(self, levels=2, width=4, heads=min(self.heads, 1) * 2)

    def shape(self, *inputs: Shape) -> Shape:
        """The input's height and width.

        Raises:
            ShapeError: there is attention and a side has fewer pixels than two tokens stand for. The network itself
                pads such pictures up to 2x2 tokens, which is right for translating; training would be on repeated
                borders.
        """
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        side, least = min(height, width), 2 ** (self.levels + 1)
        if self.heads and side < least:
            fewer = side.bit_length() - 2  # the most levels with two tokens along the shorter side
            levels = f"at most {fewer} levels, " if fewer >= 2 else ""
            raise ShapeError(
                f"{self.name} with {self.levels} levels would repeat the borders of pictures of {height}x{width} up to "
                f"{least} pixels, two tokens of the attention a side (over a single one, {2**self.levels} pixels, "
                f"attention is only a linear map): take pictures of at least {least} pixels on each side, {levels}or "
                "heads = 0"
            )
        return (self.out_channels, height, width)

    def build(self) -> nn.Module:
        """`toonforge_mha_unet.network.AttentionUnet`."""
        from toonforge_mha_unet.network import AttentionUnet

        return AttentionUnet(
            self.in_channels or 3,
            self.out_channels,
            levels=self.levels,
            width=self.width,
            heads=self.heads,
            last_kernel=self.last_kernel,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            dropout=self.dropout,
        )
