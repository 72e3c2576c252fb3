"""What this plugin supplies, under the namespace `cyclegan`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator
from toonforge.plugins.hookspecs import hookimpl
from toonforge_cyclegan.discriminators import PatchGAN, PixelGAN, Plain
from toonforge_cyclegan.generators import DoubleUnet, Resnet, Unet

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The two generators that the original code offers, and a U-Net for small budgets."""
    return {"double-unet": DoubleUnet, "resnet": Resnet, "unet": Unet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The patch discriminator, the one of single pixels, and the plain one of the photo-anime paper."""
    return {"patchgan": PatchGAN, "pixelgan": PixelGAN, "plain": Plain}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The settings of the CycleGAN paper and of the photo-anime document."""
    return {name: RECIPES / f"{name}.toml" for name in ("cyclegan", "cyclegan-128", "photo-anime", "stabilised")}
