"""What a packaged recipe takes from plugins by name: it works only where these are installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli

from toonforge import registries
from toonforge.recipe import find, load
from toonforge.recipe.report import written
from toonforge.recipe.resolved import recipe_data


def names_used(recipe: str) -> Iterator[str]:
    """Names of components, ops, models and recipes that a packaged recipe is made of, those of plugins with namespace.

    Without the data set: that is a user's own choice, which a recipe only suggests.

    Raises:
        RecipeError: the recipe does not check.
    """
    found = load(recipe)
    yield from _types({key: value for key, value in recipe_data(found).items() if key != "data"})
    for _, expression in written(found):
        yield from (call.function for call in expression.calls())
    starts = {source.from_ for source in found.initial.values()}
    yield from (model for model in registries.models if starts & {model, model.rpartition("/")[2]})
    yield from _extended(find(recipe).path)


def _types(data: Any) -> Iterator[str]:
    """Every component's name that a resolved recipe holds."""
    if isinstance(data, Mapping):
        if isinstance(data.get("type"), str):
            yield data["type"]
        for value in data.values():
            yield from _types(value)
    elif isinstance(data, list):
        for item in data:
            yield from _types(item)


def _extended(path: Path) -> Iterator[str]:
    """What a recipe's file extends, and what that extends in turn, as they are written."""
    while (name := tomli.loads(path.read_text("utf-8")).get("extends")) is not None:
        yield name
        beside = path.parent / name
        path = beside if beside.is_file() else find(name).path
