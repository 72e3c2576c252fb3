"""UNIT (Liu, Breuel and Kautz, 2017) for toonforge: two domains that share one latent space."""

from toonforge_unit.discriminators import MultiScale
from toonforge_unit.encoding import Decoder, Encoder
from toonforge_unit.losses import KL, Perceptual
from toonforge_unit.schedules import Step

__all__ = ["KL", "Decoder", "Encoder", "MultiScale", "Perceptual", "Step"]
