"""The generator's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.nn import Interpolation, Norm, Padding
from toonforge.nn.choices import INTERPOLATION_DOC, NORM_DOC
from toonforge.nn.generators import ResidualGenerator

if TYPE_CHECKING:
    from torch import nn

CODE = "AnimeGANv2 code, net/generator.py"


@component
class InvertedResnet(ResidualGenerator):
    """AnimeGANv2's generator: 7x7 stem, two halvings, inverted residual blocks, two resizings, layer norm."""

    name = "animegan/inverted-resnet"

    blocks: int = param(4, doc="inverted residual blocks", unit="blocks", source=CODE, at_least=0, tiny=2)
    width: int = param(
        32,
        doc="channels after the stem; 8 times as many in the blocks",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("layer", doc=NORM_DOC, source=CODE)
    interpolation: Interpolation = param("bilinear", doc=INTERPOLATION_DOC, source=CODE)
    padding: Padding = param("reflect", doc="what convolutions see beyond the border", source=CODE)
    epsilon: float = param(
        1e-12,
        doc="added to the variances that norms divide by; weights must be used with the one they were trained with",
        source="tf.contrib.layers.layer_norm",
        above=0,
    )

    def build(self) -> nn.Module:
        """`toonforge_animegan.networks.AnimeGenerator`."""
        from toonforge_animegan.networks import AnimeGenerator

        return AnimeGenerator(
            self.in_channels or 3,
            self.out_channels,
            width=self.width,
            blocks=self.blocks,
            norm=self.norm,
            interpolation=self.interpolation,
            padding=self.padding,
            epsilon=self.epsilon,
            residual=self.residual,
        )
