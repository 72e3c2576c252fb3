"""What this plugin supplies, under the namespace `unit`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.components import Discriminator, Loss, OtherNetwork, Schedule
from toonforge.plugins.hookspecs import hookimpl
from toonforge_unit.discriminators import MultiScale
from toonforge_unit.encoding import Decoder, Encoder
from toonforge_unit.losses import KL, Perceptual
from toonforge_unit.schedules import Step

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def toonforge_networks() -> Mapping[str, type[OtherNetwork]]:
    """Encoders and decoders."""
    return {"encoder": Encoder, "decoder": Decoder}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """The discriminator of several scales."""
    return {"multi-scale": MultiScale}


@hookimpl
def toonforge_losses() -> Mapping[str, type[Loss]]:
    """What no other method has."""
    return {"kl": KL, "perceptual": Perceptual}


@hookimpl
def toonforge_schedules() -> Mapping[str, type[Schedule]]:
    """The learning rate that is halved every 100,000 steps."""
    return {"step": Step}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The authors' setting, and the one with a perceptual term."""
    return {"unit": RECIPES / "unit.toml", "perceptual": RECIPES / "perceptual.toml"}
