"""What this plugin supplies, under the namespace `singlegan`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator
from toonforge.plugins.hookspecs import hookimpl
from toonforge_singlegan.discriminators import MultiScale
from toonforge_singlegan.generators import Resnet

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The one generator of all domains."""
    return {"resnet": Resnet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """What judges one domain."""
    return {"multi-scale": MultiScale}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The base model: two domains."""
    return {"singlegan": RECIPES / "singlegan.toml"}
