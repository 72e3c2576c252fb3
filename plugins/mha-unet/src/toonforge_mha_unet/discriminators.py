"""The discriminator's config: pix2pix' conditional PatchGAN."""

from __future__ import annotations

from toonforge.components import component
from toonforge.nn.discriminators import PatchGANConfig


@component
class PatchGAN(PatchGANConfig):
    """One logit for each 70x70 patch; conditional when called with `cat(input, output)`, 6 channels."""

    name = "mha-unet/patchgan"
