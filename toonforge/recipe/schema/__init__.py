"""The JSON Schema (Draft 4) of recipes over all installed components: for editors that read TOML with Taplo.

It tells keys, types, limits, choices and components' names. What needs the whole recipe, such as whether a name in an
expression is known, whether shapes fit and what is missing, `toonforge check` tells.
"""

from __future__ import annotations

import json
from typing import Any

from toonforge.components import fields_of
from toonforge.recipe.check import RUN_NAME
from toonforge.recipe.layout import component_kind, item_kind
from toonforge.recipe.model import Phase, Recipe, Term
from toonforge.recipe.schema.components import component_table
from toonforge.recipe.schema.fields import class_table, with_legal_names
from toonforge.recipe.schema.header import FILE, header_line
from toonforge.recipe.schema.root import EXTENDS, PLACES, TABLES
from toonforge.recipe.schema.values import REFERENCE, UNKNOWN, Schema, value_schema

__all__ = ["FILE", "TITLE", "header_line", "recipe_schema", "recipe_schema_text"]

TITLE = "A toonforge recipe"


def recipe_schema() -> Schema:
    """The schema of a recipe, as JSON's values."""
    properties: dict[str, Schema] = {"extends": {"description": EXTENDS, "type": "string", "minLength": 1}}
    for key, (kind, _, _) in fields_of(Recipe).items():
        properties[key] = {**_with_names(kind, value_schema(kind, table=_table)), "description": TABLES[key]}
    properties["name"]["pattern"] = f"^(?:$a name for a folder|{RUN_NAME}|{REFERENCE})$"
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": TITLE,
        "description": "Written by `toonforge schema`; write it anew when a plugin has come or gone.",
        "type": "object",
        "properties": properties,
        "additionalProperties": UNKNOWN,
    }


def recipe_schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(recipe_schema(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _table(kind: Any) -> Schema:
    """The schema of a table: of a component, of a phase, or of a config class of fixed keys."""
    if kind is Term or component_kind(kind) is not None:
        return component_table(kind, _table)
    schema = class_table(kind, _table)
    if kind is Phase:
        losses = schema["properties"]["losses"]
        schema["properties"]["losses"] = _with_names(fields_of(Phase)["losses"][0], losses)
        for key, text in PLACES.items():
            schema["properties"][key] = {"description": text, "type": "string"}
    return schema


def _with_names(kind: Any, schema: Schema) -> Schema:
    return with_legal_names(schema) if item_kind(kind) is not None else schema
