"""What this plugin supplies, under the namespace `pix2pix`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator
from toonforge.plugins.hookspecs import hookimpl
from toonforge_pix2pix.discriminators import PatchGAN, PixelGAN
from toonforge_pix2pix.generators import Unet

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The paper's generator."""
    return {"unet": Unet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The paper's discriminator, and the one of single pixels that it compares with."""
    return {"patchgan": PatchGAN, "pixelgan": PixelGAN}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The paper's setting."""
    return {"pix2pix": RECIPES / "pix2pix.toml"}
