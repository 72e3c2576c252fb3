"""AnimeGANv2 (Chen, Liu, Chen, 2020) for toonforge."""

from toonforge_animegan.discriminators import PatchGAN
from toonforge_animegan.generators import InvertedResnet
from toonforge_animegan.losses import Colour, Style
from toonforge_animegan.ops import Shift

__all__ = ["Colour", "InvertedResnet", "PatchGAN", "Shift", "Style"]
