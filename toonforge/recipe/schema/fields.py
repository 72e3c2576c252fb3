"""Fields and tables of fixed keys, as JSON Schema with what an editor shows over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from toonforge.components import FieldInfo, fields_of
from toonforge.recipe.schema.hover import field_text, plain_default
from toonforge.recipe.schema.values import IDENTIFIER, UNKNOWN, Schema, value_schema

Tables = Callable[[Any], Schema]
"""The schema of a config class, or of a component's base class."""


def field_schema(kind: Any, attribute: attrs.Attribute[Any], info: FieldInfo, tables: Tables) -> Schema:
    """One key: what is said of it, what it may hold, and its default, which an editor writes in."""
    default = plain_default(attribute)
    return {
        **value_schema(kind, info, tables),
        "description": field_text(kind, attribute, info),
        **({"default": default} if default is not None else {}),
    }


def class_table(cls: type, tables: Tables) -> Schema:
    """A table of one config class.

    Nothing is required: what a recipe leaves out, the one that it `extends` may say.
    """
    properties = {key: field_schema(*field, tables) for key, field in fields_of(cls).items()}
    return {"type": "object", "properties": properties, "additionalProperties": UNKNOWN}


def with_legal_names(schema: Schema) -> Schema:
    """A table in which the user makes up the keys, as those of networks, signals and losses, which are identifiers."""
    return {
        **schema,
        "patternProperties": {f"^{IDENTIFIER}$": schema["additionalProperties"]},
        "additionalProperties": UNKNOWN,
    }
