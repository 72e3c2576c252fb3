"""pix2pix (Isola et al., 2017) for toonforge."""

from toonforge_pix2pix.discriminators import PatchGAN, PixelGAN
from toonforge_pix2pix.generators import Unet

__all__ = ["PatchGAN", "PixelGAN", "Unet"]
