"""CartoonGAN (Chen, Lai, Liu, 2018) for toonforge."""

from toonforge_cartoongan.discriminators import PatchGAN
from toonforge_cartoongan.generators import Resnet

__all__ = ["PatchGAN", "Resnet"]
