"""pix2pix with attention over the bottleneck (AI Club IITM's cartoonization slides) for toonforge."""

from toonforge_mha_unet.discriminators import PatchGAN
from toonforge_mha_unet.generators import Unet

__all__ = ["PatchGAN", "Unet"]
