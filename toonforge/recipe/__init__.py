"""Recipes: `load` turns a TOML file into a checked `Recipe`. Nothing here imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toonforge.recipe.loading import Source, find, load, loads
    from toonforge.recipe.model import Recipe
    from toonforge.recipe.readiness import verify
    from toonforge.recipe.resolved import component_data, component_from_data, differences, dump

_HOMES = {
    "Recipe": "model",
    "Source": "loading",
    "component_data": "resolved",
    "component_from_data": "resolved",
    "differences": "resolved",
    "dump": "resolved",
    "find": "loading",
    "load": "loading",
    "loads": "loading",
    "verify": "readiness",
}

__all__ = [
    "Recipe",
    "Source",
    "component_data",
    "component_from_data",
    "differences",
    "dump",
    "find",
    "load",
    "loads",
    "verify",
]


def __getattr__(name: str) -> Any:
    # The components import `toonforge.recipe.expr`, and the loader imports the components: hence not at the top.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
