"""The generator's config: one network that translates to each of several domains, told which by a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toonforge.components import Shape, component, param
from toonforge.nn import Interpolation, Upsample, picture_and_number
from toonforge.nn.choices import INTERPOLATION_DOC, UPSAMPLE_DOC
from toonforge.nn.generators import ResidualGenerator

if TYPE_CHECKING:
    from torch import nn

CODE = "SingleGAN code, models/model.py"

CentralNorm = Literal["instance", "batch", "group", "layer"]
"""Normalisations that a domain's shift is added to: those that leave each channel, or a group of them, a mean of 0."""


@component
class Resnet(ResidualGenerator):
    """SingleGAN's generator: a ResNet that is told the domain to make, `G(photo, 1)`, by a shift after each early norm.

    7x7 stem, two strided 4x4 stages, residual blocks, two upsampling stages, 7x7 head, tanh. Domains are numbered from
    0. In the stem, the strided stages and the blocks each channel is shifted by tanh of a learnt number of the domain,
    between norm and scale ("central biasing instance normalization"); every convolution is spectrally normalised.
    """

    name = "singlegan/resnet"

    domains: int = param(
        2, doc="how many domains there are to translate to", source="SingleGAN code, options: d_num", at_least=1
    )
    blocks: int = param(6, doc="residual blocks", source="SingleGAN code, options: e_blocks", at_least=0, tiny=1)
    width: int = param(
        64,
        doc="channels after the stem; 4 times as many in the blocks",
        unit="channels",
        source="SingleGAN code, options: ngf",
        at_least=1,
        tiny=4,
    )
    norm: CentralNorm = param(
        "instance",
        doc="normalisation after convolutions; in the upsampling stages without weights, but for batch norm",
        source=CODE,
    )
    spectral_norm: bool = param(
        True,
        doc="spectral normalisation of every convolution, but for the last one of a `residual` network, which begins "
        "as zeros: one power iteration at each call in training",
        source="SingleGAN code, README; not in the paper",
    )
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source="SingleGAN code, options: up_type")
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)

    def shape(self, *inputs: Shape | float) -> Shape:
        """The picture's height and width; refuses a domain that there is not."""
        _, height, width, _ = picture_and_number(
            self.name, inputs, self.in_channels, field="domains", count=self.domains
        )
        return (self.out_channels, height, width)

    def build(self) -> nn.Module:
        """`toonforge_singlegan.generator.SingleGenerator`."""
        from toonforge_singlegan.generator import SingleGenerator

        return SingleGenerator(
            self.in_channels or 3,
            self.out_channels,
            domains=self.domains,
            width=self.width,
            blocks=self.blocks,
            norm=self.norm,
            spectral=self.spectral_norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            residual=self.residual,
        )
