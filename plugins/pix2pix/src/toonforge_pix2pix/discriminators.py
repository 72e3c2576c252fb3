"""The discriminators' configs: fields with the original's values."""

from __future__ import annotations

from toonforge.components import component
from toonforge.nn.discriminators import PatchGANConfig, PixelGANConfig


@component
class PatchGAN(PatchGANConfig):
    """One logit for each overlapping patch of 70x70 pixels; `D(cat(input, output))` makes it conditional."""

    name = "pix2pix/patchgan"


@component
class PixelGAN(PixelGANConfig):
    """One logit for each pixel on its own; `D(cat(input, output))` makes it conditional."""

    name = "pix2pix/pixelgan"
