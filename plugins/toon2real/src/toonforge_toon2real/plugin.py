"""What this plugin supplies, under the namespace `toon2real`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator
from toonforge.plugins.hookspecs import hookimpl
from toonforge_toon2real.discriminators import PatchGAN
from toonforge_toon2real.generators import Resnet

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The generator of Table 1."""
    return {"resnet": Resnet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The discriminator of Table 2."""
    return {"patchgan": PatchGAN}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The paper's method, and the baseline of its Figure 3a."""
    return {
        "toon2real": RECIPES / "toon2real.toml",
        "without-spectral-norm": RECIPES / "without-spectral-norm.toml",
    }
