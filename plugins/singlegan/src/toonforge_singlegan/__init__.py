"""SingleGAN (Yu et al., 2018) for toonforge: one generator for several domains, a discriminator for each."""

from toonforge_singlegan.discriminators import MultiScale
from toonforge_singlegan.generators import Resnet

__all__ = ["MultiScale", "Resnet"]
