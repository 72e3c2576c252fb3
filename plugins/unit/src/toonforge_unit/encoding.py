"""Configs of the encoder and the decoder: networks of their own, since losses call each without the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import OtherNetwork, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Norm, Padding, one_picture, up_to_multiple, with_channels
from toonforge.nn.choices import NORM_DOC

if TYPE_CHECKING:
    from torch import nn

CODE = "UNIT code, networks.py"
CONFIGS = "UNIT code, configs/unit_*.yaml"
PADDING_DOC = "what convolutions see beyond the border"


@component
class Encoder(OtherNetwork):
    """Pictures to the mean of their latent code: 7x7 stem, strided 4x4 stages, residual blocks.

    The code's distribution has deviation 1 everywhere: `noise(E(photo), 1)` draws from it in training, and in
    translations is the mean. Pictures whose sides are no multiples of what the stages divide by are padded by repeating
    their border: `crop(G(E(photo)), photo)` is of the picture's own size.
    """

    in_channels: int | None = param(
        None, doc="channels of the pictures; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )
    width: int = param(
        64, doc="channels after the stem, doubling at each stage", unit="channels", source=CONFIGS, at_least=1, tiny=4
    )
    downsamples: int = param(2, doc="stages that halve the sides", source=CONFIGS, at_least=1, at_most=6)
    blocks: int = param(4, doc="residual blocks", source=CONFIGS, at_least=0, tiny=1)
    norm: Norm = param("instance", doc=NORM_DOC, source=CODE)
    padding: Padding = param("reflect", doc=PADDING_DOC, source=CONFIGS)

    def fit(self, *inputs: Shape) -> Encoder:
        """With the pictures' channels filled in."""
        return with_channels(self, one_picture("unit/encoder", inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """(channels of the code, H and W divided by 2^downsamples and rounded up, at least 2)."""
        _, height, width = one_picture("unit/encoder", inputs, self.in_channels)
        scale = 2**self.downsamples
        rows, columns = (up_to_multiple(side, scale, 2 * scale) // scale for side in (height, width))
        return (self.width * scale, rows, columns)

    def build(self) -> nn.Module:
        """`toonforge_unit.networks.EncoderNetwork`."""
        from toonforge_unit.networks import EncoderNetwork

        return EncoderNetwork(
            self.in_channels or 3,
            width=self.width,
            downsamples=self.downsamples,
            blocks=self.blocks,
            norm=self.norm,
            padding=self.padding,
        )


@component
class Decoder(OtherNetwork):
    """Latent codes to pictures in [-1, 1]: residual blocks, stages that double the sides, 7x7 head, tanh."""

    in_channels: int | None = param(
        None,
        doc="channels of the code, halved at each stage; inferred in a recipe, otherwise 256",
        unit="channels",
        at_least=1,
        tiny=None,
    )
    out_channels: int = param(3, doc="channels of the pictures", unit="channels", at_least=1)
    upsamples: int = param(2, doc="stages that double the sides", source=CONFIGS, at_least=1, at_most=6)
    blocks: int = param(4, doc="residual blocks", source=CONFIGS, at_least=0, tiny=1)
    norm: Norm = param("instance", doc="normalisation in the residual blocks", source=CODE)
    padding: Padding = param("reflect", doc=PADDING_DOC, source=CONFIGS)

    def fit(self, *inputs: Shape) -> Decoder:
        """With the code's channels filled in."""
        return with_channels(self, one_picture("unit/decoder", inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """(out_channels, H and W of the code times 2^upsamples)."""
        channels, height, width = one_picture("unit/decoder", inputs, self.in_channels)
        scale = 2**self.upsamples
        if channels < scale:
            raise ShapeError(
                f"unit/decoder halves the code's channels {self.upsamples} times, found {channels}: give the encoder a "
                "larger `width`, or the decoder fewer `upsamples`"
            )
        if min(height, width) < 2:
            raise ShapeError(f"unit/decoder needs a code of at least 2x2 places, found {height}x{width}")
        return (self.out_channels, height * scale, width * scale)

    def build(self) -> nn.Module:
        """`toonforge_unit.networks.DecoderNetwork`."""
        from toonforge_unit.networks import DecoderNetwork

        return DecoderNetwork(
            self.in_channels or 256,
            self.out_channels,
            upsamples=self.upsamples,
            blocks=self.blocks,
            norm=self.norm,
            padding=self.padding,
        )
