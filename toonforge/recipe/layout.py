"""Which keys a recipe may have where: read off the model's and the components' own fields, for suggestions."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

import attrs

from toonforge.components import KINDS, Component, Count, Loss, NetworkComponent, fields_of
from toonforge.recipe.initial import KEY, InitialWeights, is_reserved
from toonforge.recipe.model import Recipe, Term
from toonforge.recipe.scanner import Path
from toonforge.recipe.tree import Node
from toonforge.registries import plugins


def without_none(kind: Any) -> Any:
    """`T` for `T | None`; anything else as it is."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kinds = [part for part in typing.get_args(kind) if part is not type(None)]
        return kinds[0] if len(kinds) == 1 else kind
    return kind


def component_kind(kind: Any) -> str | None:
    """The registry that supplies components of this field type, or None for any other type."""
    return next((name for name, base in KINDS.items() if kind is base), None)


def item_kind(kind: Any) -> Any:
    """The type of a mapping's values, or None for any other type."""
    if typing.get_origin(kind) is Mapping or typing.get_origin(kind) is dict:
        return typing.get_args(kind)[1]
    return None


def default_class(attribute: attrs.Attribute[Any]) -> type[Component] | None:
    """The component class that a field takes when it is left out."""
    default = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        factory = default.factory  # type: ignore[union-attr]
        return factory if isinstance(factory, type) and issubclass(factory, Component) else None
    return type(default) if isinstance(default, Component) else None


def class_of(kind: Any, table: Mapping[str, Any], default: type[Component] | None = None) -> type | None:
    """The class that a table of this field type becomes; None where its `type` is unknown."""
    registry = component_kind(Loss if kind is Term else kind)
    if registry is None:
        return kind if isinstance(kind, type) and attrs.has(kind) else None
    name = table.get("type")
    name = name.value if isinstance(name, Node) else name
    if name is None:
        return default
    known = plugins.registries[registry]
    return known[name] if isinstance(name, str) and name in known else None


def keys_of(kind: Any, cls: type | None) -> list[str]:
    """The keys that a table of this field type may have."""
    if kind is Count:
        return ["steps", "epochs"]
    keys = list(fields_of(cls)) if cls is not None else []
    if component_kind(kind) is not None:
        return ["type", *keys, *([KEY] if begins_with(cls) else [])]
    return ["type", "weight", *keys] if kind is Term else keys


def begins_with(cls: type | None) -> bool:
    """Whether `weights` in the table of a component of this class are a network's first ones."""
    return cls is not None and issubclass(cls, NetworkComponent) and is_reserved(cls)


def allowed(root: Node, path: Path) -> tuple[bool, list[str]]:
    """Whether a path exists in the composed data or names a field there; and the keys known in its table."""
    kind: Any = Recipe
    default: type[Component] | None = None
    node: Node | None = root
    for depth, key in enumerate(path):
        table = node.table if node is not None else {}
        cls = class_of(kind, table, default) if kind is not None else None
        keys = list(dict.fromkeys([*table, *keys_of(kind, cls)]))
        if depth == 0:
            keys = [name for name in keys if name != "extends"]
        if key not in keys:
            return False, [*(f"{prefix(path[:depth])}{name}" for name in keys)]
        node = table.get(str(key))
        default = None
        fields = fields_of(cls) if cls is not None else {}
        if kind is not None and item_kind(kind) is not None:
            kind = item_kind(kind)
        elif key in fields:
            kind, attribute, _ = fields[str(key)]
            kind, default = without_none(kind), default_class(attribute)
        elif key == KEY and begins_with(cls):
            kind = InitialWeights
        else:
            kind = None
    return True, []


def prefix(path: Path) -> str:
    """A table's path as the beginning of its keys' paths."""
    return "".join(f"{key}." for key in path)
