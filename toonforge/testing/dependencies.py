"""What packaged recipes and models take from plugins by name: they work only where these are installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli

from toonforge import registries
from toonforge.recipe import find, load
from toonforge.recipe.report import written
from toonforge.recipe.resolved import recipe_data
from toonforge.weights.described import read_weights


def names_in_recipe(recipe: str) -> Iterator[str]:
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


def names_in_model(path: Path) -> Iterator[str]:
    """Names of the components of a model file's networks, and of the ops that its translations call.

    Raises:
        RunError: it is none.
    """
    for weights in read_weights(path):
        yield from _types(weights.component)
        for expression in (*weights.translations.values(), *weights.signals.values()):
            yield from (call.function for call in expression.calls())


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
    """The packaged recipes that a recipe's file extends, one after another."""
    while (name := tomli.loads(path.read_text("utf-8")).get("extends")) is not None:
        beside = path.parent / name
        if not beside.is_file():
            yield name
        path = beside if beside.is_file() else find(name).path
