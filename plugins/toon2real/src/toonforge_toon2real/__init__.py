"""Toon2real (Rupty et al.) for toonforge."""

from toonforge_toon2real.discriminators import PatchGAN
from toonforge_toon2real.generators import Resnet

__all__ = ["PatchGAN", "Resnet"]
