"""The public API as text: every public name with its signature, and every key that a recipe may hold.

python -m tests.public_api > tests/public_api.txt
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from toonforge import registries
from toonforge.components import Component, fields_of
from toonforge.recipe.model import CheckpointRule, LogRule, MetricsRule, Phase, SamplesRule, Train
from toonforge.recipe.telling import default_text
from toonforge.registry import Registry
from toonforge.testing.public import FOR_PLUGINS, FOR_SCRIPTS

MODULES = (*FOR_PLUGINS, *FOR_SCRIPTS)

TABLES: Mapping[str, type] = {
    "[train]": Train,
    "[train.checkpoint]": CheckpointRule,
    "[train.samples]": SamplesRule,
    "[train.metrics]": MetricsRule,
    "[train.log]": LogRule,
    "[phases.NAME]": Phase,
}


def public_names() -> dict[str, Any]:
    """Full name -> what it is, of every public module."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        found.update({f"{name}.{each}": getattr(module, each) for each in module.__all__})
    return found


def written() -> str:
    """The whole text: a line a name, attribute, method or key."""
    names = public_names()
    homes: dict[int, str] = {}
    for name, value in names.items():
        if isinstance(value, type | types.FunctionType):
            # The longest is where it is defined, or nearest to that: `toonforge.Loss` is `toonforge.components.Loss`.
            homes[id(value)] = max(homes.get(id(value), ""), name, key=lambda each: (each.count("."), each))
    parts = {f"recipe {table}": cls for table, cls in TABLES.items()}
    for kind, registry in registries.plugins.registries.items():
        parts |= {f"recipe {kind} {name}": registry[name] for name in registry if "/" not in name}
    homes |= {id(cls): part for part, cls in parts.items()}
    lines: list[str] = []
    for name, value in names.items():
        home = homes.get(id(value), name)
        lines += [f"{name} = {home}"] if home != name else described(name, value)
    for part, cls in parts.items():
        lines += [f"{part}{bases(cls)}", *members(part, cls)]
    return "\n".join(lines) + "\n"


def described(name: str, value: Any) -> list[str]:
    """What users of a name see of it."""
    if isinstance(value, type):
        return [f"class {name}{bases(value)}{constructor(value)}", *members(name, value)]
    if isinstance(inspect.unwrap(value), types.FunctionType):
        return [f"{name}{signature(inspect.unwrap(value))}"]
    if isinstance(value, Registry):
        return [f"{name}: a registry"]
    return [f"{name}: {constant(value)}"]


def bases(cls: type) -> str:
    """The public ones among them say what else a class has."""
    names = [base.__name__ for base in cls.__bases__ if base not in (object, typing.Generic, Component)]
    return f"({', '.join(names)})" if names else ""


def constructor(cls: type) -> str:
    """How one is made, where the class itself says so; the attributes of attrs' classes come with the members."""
    if attrs.has(cls) or getattr(cls, "_is_protocol", False) or "__init__" not in vars(cls):
        return ""
    return f" {signature(cls.__init__, skip=1)}".removesuffix(" -> None")


def members(name: str, cls: type) -> Iterator[str]:
    """Fields as keys of a recipe or as attributes, then what is public and new in the class or differs from a base."""
    if issubclass(cls, Component) and attrs.has(cls):
        yield from keys(name, cls)
    elif attrs.has(cls):
        for each in attrs.fields(cls):
            if not each.name.startswith("_"):
                text = "" if each.default is attrs.NOTHING else f" = {constant(each.default)}"
                yield f"{name}.{each.name}: {annotation(each.type)}{text}"
    fields = {each.name for each in attrs.fields(cls)} if attrs.has(cls) else set()
    for each, value in sorted(vars(cls).items()):
        if each.startswith("_") or each in fields:
            continue
        text = member(each, value)
        known = [member(each, vars(base)[each]) for base in cls.__mro__[1:] if each in vars(base)]
        if text and text not in known[:1]:
            yield f"{name}.{text}"


def member(name: str, value: Any) -> str | None:
    """A method, a property or a plain value of a class; None for anything else."""
    plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if isinstance(plain, types.FunctionType):
        return f"{name}{signature(plain, skip=0 if isinstance(value, staticmethod) else 1)}"
    if isinstance(value, property):
        return f"{name}: {annotation(inspect.get_annotations(value.fget).get('return'))}"  # type: ignore[arg-type]
    return f"{name} = {value!r}" if isinstance(value, bool | int | float | str | tuple | type(None)) else None


def keys(name: str, cls: type) -> Iterator[str]:
    """A component's fields as a recipe writes them, the bases' included."""
    annotations = {key: kind for base in reversed(cls.__mro__) for key, kind in inspect.get_annotations(base).items()}
    for key, (_, attribute, _) in sorted(fields_of(cls).items()):
        yield f"{name}.{key}: {annotation(annotations[attribute.name])} = {default_text(attribute.default)}"


def signature(function: Any, skip: int = 0) -> str:
    """A signature with its annotations as they are written.

    Args:
        skip: how many parameters to leave out in front: `self`.
    """
    parameters = [*inspect.signature(function).parameters.values()][skip:]
    texts, kinds = [], [parameter.kind for parameter in parameters]
    for at, parameter in enumerate(parameters):
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.VAR_POSITIONAL not in kinds[:at]:
            texts += ["*"] if parameter.KEYWORD_ONLY not in kinds[:at] else []
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        text = f"{star}{parameter.name}"
        if parameter.annotation is not parameter.empty:
            text += f": {annotation(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {constant(parameter.default)}"
        texts.append(text)
    returned = inspect.get_annotations(function).get("return")
    return f"({', '.join(texts)}) -> {annotation(returned)}"


def annotation(kind: Any) -> str:
    """A type as it is written in the source."""
    if isinstance(kind, str):
        return kind
    return "None" if kind in (None, type(None)) else getattr(kind, "__name__", None) or str(kind)


def constant(value: Any) -> str:
    """A value, or the type of one that says nothing when it is written out."""
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        return constant(value.factory())
    if value is attrs.NOTHING or value is ...:
        return "..."
    if isinstance(value, bool | int | float | str | None):
        return repr(value)
    here = isinstance(value, tuple) and sys.executable in value  # another in each environment
    if isinstance(value, tuple) and not here and all(isinstance(each, str | int | float) for each in value):
        return repr(value)
    if isinstance(value, Mapping | frozenset) and not value:
        return "{}"
    if typing.get_origin(value) is not None:
        return str(value).replace("typing.", "")
    if isinstance(value, types.FunctionType | type):
        return value.__name__
    return f"<{type(value).__name__}>"


if __name__ == "__main__":
    print(written(), end="")
