"""The generator's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.nn import Interpolation, Norm, Padding, Upsample
from toonforge.nn.choices import INTERPOLATION_DOC, NORM_DOC, UPSAMPLE_DOC
from toonforge.nn.generators import ResidualGenerator

if TYPE_CHECKING:
    from torch import nn

PAPER = "CartoonGAN, section 3.1, figure 2"
CODE = "CartoonGAN code, architectures.lua"


@component
class Resnet(ResidualGenerator):
    """CartoonGAN's generator: 7x7 stem, two stages down and two up of two convolutions each, residual blocks between.

    One norm a stage, after its second convolution; every convolution has a bias.
    """

    name = "cartoongan/resnet"

    blocks: int = param(8, doc="residual blocks", source=PAPER, at_least=0, tiny=1)
    width: int = param(
        64,
        doc="channels after the stem; 4 times as many in the blocks",
        unit="channels",
        source=PAPER,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("instance-affine", doc=NORM_DOC, source=CODE)
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=CODE)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    padding: Padding = param("reflect", doc="what the stem, the blocks and the head see beyond the border", source=CODE)
    epsilon: float = param(
        1e-5,
        doc="added to the variances that norms divide by; flat regions show it: weights must be used with the one that "
        "they were trained with",
        above=0,
    )

    def build(self) -> nn.Module:
        """`toonforge_cartoongan.networks.CartoonGenerator`."""
        from toonforge_cartoongan.networks import CartoonGenerator

        return CartoonGenerator(
            self.in_channels or 3,
            self.out_channels,
            width=self.width,
            blocks=self.blocks,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            padding=self.padding,
            epsilon=self.epsilon,
            residual=self.residual,
        )
