"""A recipe with every default written out, as TOML and as plain data, and what differs between two."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, cast

import attrs
import tomli_w

from toonforge.components import KINDS, Component, Count, FieldInfo, default_of, fields_of
from toonforge.errors import RecipeError
from toonforge.recipe.convert import structure_class
from toonforge.recipe.expr import Expr
from toonforge.recipe.initial import KEY
from toonforge.recipe.mistakes import flat
from toonforge.recipe.model import Recipe, Term
from toonforge.recipe.positions import Document
from toonforge.recipe.scanner import Path
from toonforge.recipe.scope import NETWORK_TABLES
from toonforge.recipe.structure import problem_of
from toonforge.recipe.tree import dotted, tree
from toonforge.registries import plugins


@attrs.frozen
class Difference:
    """One key with its two values; None where it is missing."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        old, new = ("(absent)" if value is None else value for value in (self.old, self.new))
        return f"{self.key}: {old} -> {new}"


def dump(recipe: Recipe) -> str:
    """The recipe as TOML with every default filled in; `loads` makes the same recipe of it.

    Examples:
        >>> from toonforge.recipe import dump, load, loads
        >>> recipe = load("small.toml")
        >>> loads(dump(recipe)) == recipe
        True
    """
    return tomli_w.dumps(_escaped(recipe_data(recipe)))


def recipe_data(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, every default filled in."""
    return cast(dict[str, Any], _plain(recipe))


def component_data(config: Component) -> dict[str, Any]:
    """One config as plain data with its registered `type`; raises KeyError for a class no registry holds.

    Examples:
        >>> import toonforge
        >>> from toonforge.recipe import component_data
        >>> component_data(toonforge.schedules["cosine"]())["type"]
        'cosine'
    """
    return cast(dict[str, Any], _plain(config))


def component_from_data(kind: str, data: Mapping[str, Any]) -> Component:
    """The config that `component_data` wrote; `kind` names the registry. Raises `RecipeError`.

    Examples:
        >>> from toonforge.recipe import component_from_data
        >>> component_from_data("optimizers", {"type": "sgd", "lr": 0.1}).lr
        0.1
    """
    try:
        return cast(Component, structure_class(KINDS[kind], data))
    except Exception as error:  # Mistakes; or what a component's own validation raised
        root = tree(Document(f"stored {kind}", data, {}))
        raise RecipeError(*(problem_of(root, path, cause) for path, cause in flat(error))) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Term):
        return {**_plain(value.loss), "weight": value.weight}
    if isinstance(value, Count):
        return value.steps if value.steps is not None else {"epochs": value.epochs}
    if isinstance(value, Component | Recipe):
        known = fields_of(cast(type, type(value))).items()
        pairs = [(key, getattr(value, a.name)) for key, (_, a, info) in known if _is_said(value, a, info)]
        table = {key: _plain(item) for key, item in pairs if item is not None}
        if isinstance(value, Recipe):
            for networks in (table[name] for name in NETWORK_TABLES):
                for name in networks.keys() & value.initial.keys():
                    networks[name][KEY] = value.initial[name].data
            return {key: item for key, item in table.items() if item != {}}
        if value.kind == "":
            return table
        return {"type": plugins.registries[value.kind].name_of(type(value)), **table}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Expr | pathlib.PurePath):
        return str(value)
    return str(value) if isinstance(value, str) else value


def _is_said(value: Any, attribute: attrs.Attribute[Any], info: FieldInfo) -> bool:
    """All fields are, but those on their way out that nobody gave: what is written must load without a warning."""
    return info.deprecated is None or getattr(value, attribute.name) != default_of(attribute)


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def differences(old: Recipe | Mapping[str, Any], new: Recipe | Mapping[str, Any]) -> list[Difference]:
    """Every key whose value differs, in the order of the old recipe. Takes recipes or their plain data.

    Examples:
        >>> from toonforge.recipe import differences, load
        >>> [str(each) for each in differences(load("small.toml"), load("small.toml", ["train.batch_size=4"]))]
        ['train.batch_size: 1 -> 4']
    """
    one, other = (recipe_data(item) if isinstance(item, Recipe) else item for item in (old, new))
    return list(_differences((), one, other))


def _differences(path: Path, old: Any, new: Any) -> list[Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found = []
        for key in dict.fromkeys([*old, *new]):
            found += _differences((*path, key), old.get(key), new.get(key))
        return found
    return [] if old == new and type(old) is type(new) else [Difference(dotted(path), old, new)]
