"""Sweeps: the product of a grid of overrides, one run each, below one folder, with a table that compares them.

Nothing here imports torch before the first run is trained.
"""

from __future__ import annotations

from toonforge.sweeps.api import sweep
from toonforge.sweeps.results import Row

__all__ = ["Row", "sweep"]
