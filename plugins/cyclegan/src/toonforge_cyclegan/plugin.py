"""What this plugin supplies, under the namespace `cyclegan`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator
from toonforge.plugins.hookspecs import hookimpl
from toonforge_cyclegan.discriminators import PatchGAN
from toonforge_cyclegan.generators import Resnet, Unet

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The two generators that the original code offers."""
    return {"resnet": Resnet, "unet": Unet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The patch discriminator."""
    return {"patchgan": PatchGAN}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The paper's setting."""
    return {"cyclegan": RECIPES / "cyclegan.toml"}
