"""A table whose `type` names the component: the keys of all components of its kind, and which of them go with which.

Taplo offers the keys of `properties`, whatever else a schema says of them, lists the branches of `oneOf` without asking
which of them is meant, and underlines a whole table of which none holds. So there is one list of properties, each with
what every component says of it, which takes what any of them takes. A key that only some of them have wants one of
these by `dependencies`: what is underlined then is the `type` alone, which "is not one of" them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from toonforge.components import KINDS, Loss, NetworkComponent, fields_of
from toonforge.recipe.initial import KEY, InitialWeights, is_reserved
from toonforge.recipe.layout import component_kind
from toonforge.recipe.model import Term
from toonforge.recipe.schema.fields import Tables, class_table, field_schema
from toonforge.recipe.schema.hover import WEIGHTS, component_text, field_text, plain_default, several_texts
from toonforge.recipe.schema.values import UNKNOWN, Schema, merged, value_schema
from toonforge.registries import plugins
from toonforge.registry import singular


@attrs.frozen(kw_only=True)
class _Use:
    """What one component says of a key."""

    component: str
    schema: Schema
    text: str
    default: Any = None


def component_table(kind: Any, tables: Tables) -> Schema:
    """The schema of a table with a `type`.

    Args:
        kind: a base class of components, or `Term`: a loss, whose table has a `weight` too.
        tables: what fields hold that are tables themselves.
    """
    registry = component_kind(Loss if kind is Term else kind)
    assert registry is not None
    components: Mapping[str, type] = plugins.registries[registry]
    uses: dict[str, list[_Use]] = {}
    for name, cls in components.items():
        for key, use in _uses(registry, name, cls, tables).items():
            uses.setdefault(key, []).append(use)
    properties = {"type": _type(registry, components)}
    if kind is Term:
        properties["weight"] = field_schema(*fields_of(Term)["weight"], tables)
    properties |= {key: _property(users, len(components)) for key, users in uses.items()}
    dependencies = {
        key: {"properties": {"type": {"enum": [use.component for use in users]}}}
        for key, users in uses.items()
        if len(users) < len(components)
    }
    return {
        "description": f"One {singular(registry)}: `type` names the component, the other keys are that component's.",
        "type": "object",
        "properties": properties,
        "additionalProperties": UNKNOWN,
        **({"dependencies": dependencies} if dependencies else {}),
        "x-taplo": {"initKeys": ["type"]},
    }


def _uses(registry: str, name: str, cls: type, tables: Tables) -> dict[str, _Use]:
    """The keys that a component's table may have besides its `type`."""
    uses = {
        key: _Use(
            component=name,
            schema=value_schema(kind, info, tables),
            text=field_text(kind, attribute, info),
            default=plain_default(attribute),
        )
        for key, (kind, attribute, info) in fields_of(cls).items()
    }
    if issubclass(KINDS[registry], NetworkComponent) and is_reserved(cls):
        source = {**class_table(InitialWeights, tables), "type": ["string", "object"]}
        uses[KEY] = _Use(component=name, schema=source, text=WEIGHTS)
    return uses


def _type(registry: str, components: Mapping[str, type]) -> Schema:
    """The names of all components of a kind, each with what it is and who supplies it."""
    noun = singular(registry)
    description = f"The name of {'an' if noun[0] in 'aeiou' else 'a'} {noun}."
    if not components:
        return {"description": description, "type": "string"}
    texts = [
        component_text(cls, plugins.registries[registry].provenance(name).distribution)
        for name, cls in components.items()
    ]
    return {"description": description, "enum": [*components], "x-taplo": {"docs": {"enumValues": texts}}}


def _property(uses: list[_Use], everyone: int) -> Schema:
    """What any of the components takes under a key."""
    texts: dict[str, list[str]] = {}
    for use in uses:
        texts.setdefault(use.text, []).append(use.component)
    default = uses[0].default if all(use.default == uses[0].default for use in uses) else None
    return {
        **merged([use.schema for use in uses]),
        "description": several_texts(texts, everyone),
        **({"default": default} if default is not None else {}),
    }
