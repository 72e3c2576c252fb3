"""CycleGAN (Zhu et al., 2017) for toonforge."""

from toonforge_cyclegan.discriminators import PatchGAN
from toonforge_cyclegan.generators import Resnet, Unet

__all__ = ["PatchGAN", "Resnet", "Unet"]
