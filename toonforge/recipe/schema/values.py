"""What a field may hold, as JSON Schema: one schema for all the types that it takes.

A keyword of JSON Schema says something of one JSON type and nothing of the others, so `integer or "best"` needs no
`anyOf`: an editor then tells what is wrong with the value ("0 is less than the minimum of 1"). Of a table in which
something is wrong Taplo underlines every key and value, so nothing is asked of a table that can be asked of a value.
"""

from __future__ import annotations

import pathlib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from toonforge.components import Count, FieldInfo
from toonforge.recipe.expr import Expr, Network
from toonforge.recipe.layout import item_kind

Schema = dict[str, Any]

REFERENCE = r"\$\{[^{}]*\}"
"""`${path}` may stand for a value of any type; of fixed words alone an editor is told without, since it would otherwise
not offer them."""
IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
EXPRESSION = rf"\s*{IDENTIFIER}(?:[-/][A-Za-z0-9_]+)*\s*(?:\([\sA-Za-z0-9_,()./+-]*\)\s*)?"
"""A name, or a call with both of its parentheses; what lies within is left to `toonforge check`."""

UNKNOWN: Schema = {"not": {"description": "an unknown key"}, "const": None}
"""Of a key that a table does not have. Its value is what is underlined: {"description":"an unknown key"} is not allowed
for 3. Draft 4 knows no `const`; it keeps Taplo from offering `{ }` wherever it offers values."""

_ANY = FieldInfo(doc="")


def value_schema(kind: Any, info: FieldInfo = _ANY, table: Callable[[Any], Schema] | None = None) -> Schema:
    """The schema of a field's type.

    Args:
        kind: the resolved type.
        info: its limits hold for numbers, also for those in arrays.
        table: the schema of a config class or a component's base class; None where there can be none.
    """
    parts = [_part(part, info, table) for part in _kinds(kind)]
    if len(parts) == 1:
        return parts[0] if "enum" in parts[0] else _with_reference(parts[0])
    return _with_reference(merged([_as_pattern(part) for part in parts]))


def merged(parts: list[Schema]) -> Schema:
    """A schema of whatever one of these takes: where two of them speak of one JSON type, it may take more."""
    if all(part == parts[0] for part in parts):
        return parts[0]
    if all("enum" in part for part in parts):
        return {"enum": [*dict.fromkeys(word for part in parts for word in part["enum"])]}
    parts = [_as_pattern(part) for part in parts]
    result: Schema = {"type": [*dict.fromkeys(kind for part in parts for kind in _types(part))]}
    for keyword in dict.fromkeys(keyword for part in parts for keyword in part):
        speaking = [part for part in parts if {*_types(part)} & _OF[keyword]] if keyword in _OF else []
        values: list[Any] = [part.get(keyword) for part in speaking]
        if keyword == "pattern" and None not in values:
            result[keyword] = _pattern(*dict.fromkeys(_alternatives(value) for value in values if value))
        elif values and all(value == values[0] for value in values):
            result[keyword] = values[0]
        elif keyword in ("items", "additionalProperties") and all(
            isinstance(value, dict) and _TYPED & value.keys() for value in values
        ):
            result[keyword] = merged(values)
        elif keyword in ("minimum", "maximum") and None not in values:
            result[keyword] = (min if keyword == "minimum" else max)(values)
    return result


_TYPED = {"type", "enum"}
"""Keywords of which a schema of values has one; that of an unknown key has none, nor has a list of several schemas."""
_OF: Mapping[str, frozenset[str]] = {
    "pattern": frozenset(("string",)),
    **dict.fromkeys(
        ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
        frozenset(("integer", "number")),
    ),
    **dict.fromkeys(("items", "minItems", "maxItems", "additionalItems"), frozenset(("array",))),
    **dict.fromkeys(
        ("properties", "additionalProperties", "minProperties", "maxProperties", "dependencies"),
        frozenset(("object",)),
    ),
}
"""Keyword -> the JSON types of which it speaks."""


def _types(part: Schema) -> list[str]:
    return [part["type"]] if isinstance(part["type"], str) else part["type"]


def _kinds(kind: Any) -> list[Any]:
    """The types of a union, None aside: TOML has no null."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [part for part in typing.get_args(kind) if part is not type(None)]
    return [kind]


def _part(kind: Any, info: FieldInfo, table: Callable[[Any], Schema] | None) -> Schema:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is bool:
        return {"type": "boolean"}
    if kind is int or kind is float:
        return {"type": "integer" if kind is int else "number", **_limits(info)}
    if kind is Expr:
        return {"type": "string", "pattern": _pattern(_told("an expression"), EXPRESSION)}
    if kind is Network:
        return {"type": "string", "pattern": _pattern(_told("the name of a network"), IDENTIFIER)}
    if kind is Count:
        limits = {"minimum": 0, **_limits(info)}
        return {
            "type": ["integer", "object"],
            **limits,
            "properties": {
                "steps": {"description": "so many steps", "type": "integer", **limits},
                "epochs": {"description": "so many times through the data set", "type": "number", **limits},
            },
            "additionalProperties": UNKNOWN,
            "minProperties": 1,
            "maxProperties": 1,
        }
    if origin is typing.Literal:
        return {"enum": [*arguments]}
    if origin is tuple:
        items = [value_schema(item, info, table) for item in arguments if item is not ...]
        if arguments[-1] is ...:
            return {"type": "array", "items": items[0]}
        return {
            "type": "array",
            "items": items,
            "minItems": len(items),
            "maxItems": len(items),
        }
    if item_kind(kind) is not None:
        return {"type": "object", "additionalProperties": value_schema(item_kind(kind), _ANY, table)}
    if isinstance(kind, type) and not issubclass(kind, str | pathlib.Path) and table is not None:
        return table(kind)
    return {"type": "string"}


def _limits(info: FieldInfo) -> Schema:
    """As Draft 4 writes them, in which `exclusiveMinimum` says of `minimum` that it is excluded itself."""
    limits: Schema = {}
    for word, within, beyond, nearer in (
        ("Minimum", info.at_least, info.above, max),
        ("Maximum", info.at_most, info.below, min),
    ):
        known = [value for value in (within, beyond) if value is not None]
        if known:
            limits[word.lower()] = nearer(known)
        if beyond is not None and limits[word.lower()] == beyond:
            limits[f"exclusive{word}"] = True
    return limits


def _as_pattern(part: Schema) -> Schema:
    """Fixed words as a pattern, so that they go together with other types."""
    if "enum" not in part:
        return part
    if not all(isinstance(word, str) for word in part["enum"]):
        return {"type": ["string", "number", "boolean"]}
    return {"type": "string", "pattern": _pattern(*map(_escaped, part["enum"]))}


def _escaped(word: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\.[]{}()*+?^$|" else letter for letter in word)


def _pattern(*alternatives: str) -> str:
    return f"^(?:{'|'.join(alternatives)})$"


def _alternatives(pattern: str) -> str:
    """What `_pattern` made one of."""
    return pattern.removeprefix("^(?:").removesuffix(")$")


def _told(words: str) -> str:
    """An alternative that no text matches, for who reads the pattern in an editor's message."""
    return f"${words}"


def _with_reference(part: Schema) -> Schema:
    """The schema, and `${path}` besides."""
    kinds = _types(part)
    if "string" not in kinds:
        words = "true or false" if kinds == ["boolean"] else _NOUNS.get(kinds[0], "no text")
        return {**part, "type": [*kinds, "string"], "pattern": _pattern(_told(words), REFERENCE)}
    if "pattern" not in part:
        return part
    return {**part, "pattern": _pattern(_alternatives(part["pattern"]), REFERENCE)}


_NOUNS = {
    "integer": "a whole number without quotes",
    "number": "a number without quotes",
    "array": "an array",
    "object": "a table",
}
"""JSON type -> what is told of a text in its place."""
