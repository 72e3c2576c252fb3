"""What this plugin supplies, under the namespace `pix2pix`. Imports no torch."""

from __future__ import annotations

from pathlib import Path

RECIPES = Path(__file__).parent / "recipes"
