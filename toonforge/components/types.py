"""Types of fields: which values they take, in Python as in a recipe, and how that is said."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePath
from typing import Any

import attrs

from toonforge.recipe.expr import Expr, Network


@attrs.frozen
class FieldType:
    """What a field's type says of a value: whether it is of it, and what was expected where it is not."""

    takes: Callable[[Any], bool]
    expected: str


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_PLAIN: dict[Any, FieldType] = {
    int: FieldType(_is_whole, "a whole number"),
    float: FieldType(lambda value: isinstance(value, float) or _is_whole(value), "a number"),
    bool: FieldType(lambda value: isinstance(value, bool), "True or False"),
    str: FieldType(lambda value: isinstance(value, str | PurePath), "a text"),
    type(None): FieldType(lambda value: value is None, "None"),
    Expr: FieldType(lambda value: isinstance(value, Expr), 'an expression, Expr.parse("G(photo)")'),
    Network: FieldType(lambda value: isinstance(value, Network), 'a network\'s name, Network("G")'),
}


@cache
def type_of(kind: Any) -> FieldType | None:
    """What a field's type says of values; None for a type that recipes do not have.

    As strict as a recipe: `True` is no 1, 2.0 no whole number. Lists pass for tuples, paths for texts and texts for
    paths, and values of mappings are not looked at.
    """
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return FieldType(
            lambda value: any(value == part and type(value) is type(part) for part in parts),
            f"one of {', '.join(map(repr, parts))}",
        )
    if origin in (Mapping, dict):
        return None if type_of(parts[1]) is None else FieldType(lambda value: isinstance(value, Mapping), "a mapping")
    inner = [type_of(part) for part in parts if part is not ...]
    known = [part for part in inner if part is not None]
    if len(known) < len(inner):
        return None
    if origin in (typing.Union, types.UnionType):
        return FieldType(
            lambda value: any(part.takes(value) for part in known), " or ".join(part.expected for part in known)
        )
    if origin is tuple:
        return _several(known, many=parts[-1:] == (...,))
    if origin is not None or not isinstance(kind, type):
        return None
    if issubclass(kind, PurePath):
        return FieldType(lambda value: isinstance(value, str | PurePath), "a path")
    from toonforge.components.fields import Count
    from toonforge.components.kinds import Component

    return (
        FieldType(lambda value: isinstance(value, kind), kind.__name__) if issubclass(kind, Component | Count) else None
    )


def _several(inner: list[FieldType], many: bool) -> FieldType:
    if many:
        item = inner[0]
        return FieldType(
            lambda value: isinstance(value, tuple | list) and all(map(item.takes, value)),
            f"a tuple, each {item.expected}",
        )
    return FieldType(
        lambda value: (
            isinstance(value, tuple | list)
            and len(value) == len(inner)
            and all(part.takes(each) for part, each in zip(inner, value, strict=True))
        ),
        f"({', '.join(part.expected for part in inner)})",
    )
