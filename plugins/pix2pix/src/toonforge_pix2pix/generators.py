"""The generator's config: fields with the original's values."""

from __future__ import annotations

from toonforge.components import component, param
from toonforge.nn import Statistics
from toonforge.nn.choices import STATISTICS_DOC
from toonforge.nn.generators import UnetConfig


@component
class Unet(UnetConfig):
    """pix2pix' U-Net: 8 strided stages down to one pixel of 256, and back with skip connections."""

    name = "pix2pix/unet"

    statistics: Statistics = param("picture", doc=STATISTICS_DOC, source="pix2pix, section 3.3")
    dropout: float = param(
        0.5,
        doc="probability in the decoder stages between two of the widest, in training alone",
        at_least=0,
        below=1,
        source="pix2pix, appendix 6.1",
    )
