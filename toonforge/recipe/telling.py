"""What is said of a component's fields, in a recipe's words: by `toonforge show`, the schema and the docs."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any

import attrs

from toonforge import registries
from toonforge.components import Component, Count, FieldInfo
from toonforge.recipe.expr import Expr, Network
from toonforge.registry import singular


def about(info: FieldInfo) -> str:
    """What a field's author says: what it does, its unit, its limits, what to use instead, its default's source."""
    named = info.unit is None or info.unit == "channels" or re.search(rf"\b{info.unit}\b", info.doc)
    going = None if info.deprecated is None else f"deprecated: {info.deprecated}"
    parts = [info.doc, None if named else f"in {info.unit}", info.limits, going]
    text = "; ".join(part for part in parts if part)
    return f"{text} [{info.source}]" if info.source else text


def type_text(kind: Any) -> str:
    """A field's type in a recipe's words: `"a" | "b"`, `expression`, `count`, `[number, number]`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    words = {int: "integer", float: "number", str: "text", bool: "true | false", type(None): "none", Path: "path"}
    if kind in words:
        return words[kind]
    if kind is Expr:
        return "expression"
    if kind is Network:
        return "network's name"
    if kind is Count:
        return "count"
    if origin is typing.Literal:
        return " | ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(type_text(part) for part in arguments if part is not type(None))
    if origin is tuple and arguments[-1:] == (...,):
        return f"[{type_text(arguments[0])}, …]"
    if origin is tuple:
        return f"[{', '.join(type_text(part) for part in arguments)}]"
    if isinstance(kind, type) and issubclass(kind, Component):
        return singular(kind.kind) if kind.kind else "table"
    if len(arguments) == 2:
        return f"{{ name = {type_text(arguments[1])} }}"
    if len(arguments) == 1:
        return f"[{type_text(arguments[0])}, …]"
    return f"{getattr(kind, '__name__', str(kind)).lower()}"


def default_text(default: Any) -> str:
    """A default as it would be written in a recipe; "required" where there is none."""
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default_text(default.factory())
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str | Expr):
        return f'"{default}"'
    if isinstance(default, tuple | list):
        return f"[{', '.join(default_text(value) for value in default)}]"
    if isinstance(default, typing.Mapping):
        inner = ", ".join(f"{key} = {default_text(value)}" for key, value in default.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, Count):
        return str(default.steps) if default.steps is not None else f"{{ epochs = {default.epochs:g} }}"
    if isinstance(default, Component):
        if not default.kind:
            return "{}"
        return f'{{ type = "{registries.plugins.registries[default.kind].name_of(type(default))}" }}'
    return str(default)
