"""CycleGAN (Zhu et al., 2017) for toonforge."""

from toonforge_cyclegan.discriminators import PatchGAN, PixelGAN, Plain
from toonforge_cyclegan.generators import DoubleUnet, Resnet, Unet

__all__ = ["DoubleUnet", "PatchGAN", "PixelGAN", "Plain", "Resnet", "Unet"]
