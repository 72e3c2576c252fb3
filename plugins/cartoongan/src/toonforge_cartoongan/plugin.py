"""What this plugin supplies, under the namespace `cartoongan`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator
from toonforge.plugins.hookspecs import hookimpl
from toonforge_cartoongan.discriminators import PatchGAN
from toonforge_cartoongan.generators import Resnet

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The paper's generator."""
    return {"resnet": Resnet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The paper's discriminator."""
    return {"patchgan": PatchGAN}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The paper's setting, that of the authors' code, and one whose feature network learns too."""
    names = ("cartoongan", "original", "trained-features")
    return {name: RECIPES / f"{name}.toml" for name in names}
