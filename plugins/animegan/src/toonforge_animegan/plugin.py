"""What this plugin supplies, under the namespace `animegan`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator, Loss, Op
from toonforge.plugins.hookspecs import hookimpl
from toonforge_animegan.discriminators import PatchGAN
from toonforge_animegan.generators import InvertedResnet
from toonforge_animegan.losses import Colour, Style
from toonforge_animegan.ops import Shift

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The generator of 2.1 million weights."""
    return {"inverted-resnet": InvertedResnet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The discriminator."""
    return {"patchgan": PatchGAN}


@hookimpl
def toonforge_losses() -> Mapping[str, type[Loss]]:
    """Style and colour; the other terms are the core's."""
    return {"style": Style, "colour": Colour}


@hookimpl
def toonforge_ops() -> Mapping[str, type[Op]]:
    """The shift of a film's colours."""
    return {"shift": Shift}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The authors' settings for three films."""
    return {name: RECIPES / f"{name}.toml" for name in ("hayao", "paprika", "shinkai")}
