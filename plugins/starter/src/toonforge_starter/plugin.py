"""What this plugin supplies, under the namespace `starter`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from toonforge.plugins.hookspecs import hookimpl

HERE = Path(__file__).parent
MODEL = HERE / "photo_to_cartoon.safetensors"


@hookimpl
def toonforge_models() -> Mapping[str, Path]:
    """Photographs to drawings with flat colours and ink lines."""
    return {"photo-to-cartoon": MODEL}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    """The training that made the model."""
    return {"photo-to-cartoon": HERE / "recipes" / "photo-to-cartoon.toml"}
