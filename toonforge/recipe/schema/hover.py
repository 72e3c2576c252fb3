"""What an editor shows over a key, and in its list of keys: Markdown."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import attrs

from toonforge.components import Count, FieldInfo, deprecation_of
from toonforge.recipe.expr import Expr
from toonforge.recipe.layout import default_class
from toonforge.recipe.telling import about, default_text, type_text
from toonforge.registries import plugins

MOST_NAMES = 8
"""So many components are named as having a key; of more, their number is told."""


WEIGHTS = (
    '*text or table*, default `"random"`. What the network starts from: an installed model\'s name, or the path of a '
    "run, a checkpoint's folder or a weights file."
)
"""Of a network's `weights`, which no component has as a field."""


def component_text(cls: type, distribution: str) -> str:
    """What a component is, and who supplies it."""
    first = " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())
    going = deprecation_of(cls)
    return f"{first}\n\nFrom {distribution}." + (f" Deprecated: {going}." if going is not None else "")


def field_text(kind: Any, attribute: attrs.Attribute[Any], info: FieldInfo) -> str:
    """One field: its type and default, what it does, its unit, limits and source."""
    default = default_text(attribute.default)
    if attribute.default is None and "inferred" in info.doc:
        value = "inferred"
    elif default in ("required", "none"):
        value = {"required": "required", "none": "may be left out"}[default]
    else:
        value = f"default `{default}`"
    return f"*{type_text(kind)}*, {value}. {_sentence(about(info))}"


def several_texts(texts: Mapping[str, Iterable[str]], everyone: int) -> str:
    """One key that several components have.

    Args:
        texts: what is said of it -> the components of which it is said.
        everyone: how many components there are; those that have a key are named unless all of them do and agree.
    """
    if len(texts) == 1 and len([*next(iter(texts.values()))]) == everyone:
        return next(iter(texts))
    return "\n\n".join(f"{_named(names)}: {text}" for text, names in texts.items())


def _named(names: Iterable[str]) -> str:
    known = [*names]
    shown = ", ".join(f"`{name}`" for name in known[:MOST_NAMES])
    return shown + (f" and {len(known) - MOST_NAMES} others" if len(known) > MOST_NAMES else "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "]")) else ".") if text else ""


def plain_default(attribute: attrs.Attribute[Any]) -> Any:
    """A field's default as JSON; None where it has none that a recipe could write."""
    if (default := default_class(attribute)) is not None:
        return {"type": plugins.registries[default.kind].name_of(default)} if default.kind else None
    default = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory()  # type: ignore[union-attr]
    return None if default is attrs.NOTHING else _plain(default)


def _plain(value: Any) -> Any:
    if isinstance(value, Count):
        return value.steps if value.steps is not None else {"epochs": value.epochs}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Expr | PurePath):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):  # JSON has none
        return None
    return value if isinstance(value, str | int | float | bool) else None
