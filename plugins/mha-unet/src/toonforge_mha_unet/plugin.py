"""What this plugin supplies, under the namespace `mha-unet`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Generator
from toonforge.plugins.hookspecs import hookimpl
from toonforge_mha_unet.discriminators import PatchGAN
from toonforge_mha_unet.generators import Unet

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """The U-Net with attention over its bottleneck."""
    return {"unet": Unet}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The conditional patch discriminator."""
    return {"patchgan": PatchGAN}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The slides' setting, and the same without attention."""
    return {name: RECIPES / f"{name}.toml" for name in ("mha-unet", "without-attention")}
