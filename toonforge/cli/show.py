"""`toonforge show`: a component's fields, or a recipe with every default filled in."""

from __future__ import annotations

import inspect
import sys
import textwrap
import types
import typing
from pathlib import Path
from typing import Any

import attrs
import click

from toonforge import registries
from toonforge.cli.list import kinds
from toonforge.cli.text import echo, heading, width
from toonforge.components import Component, Count, FieldInfo, fields_of
from toonforge.errors import Problem, UnknownNameError
from toonforge.names import close_matches, did_you_mean
from toonforge.recipe.expr import Expr, Network
from toonforge.registry import Provenance, singular


@click.command()
@click.argument("name")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="For a recipe: change a value first.")
def command(name: str, overrides: tuple[str, ...]) -> None:
    """Explain a component, or print a recipe with every default filled in.

    NAME is a component ("cyclegan/unet", "lsgan"), a packaged recipe ("cyclegan/cyclegan") or a recipe file.

    \b
    Examples:
      toonforge show cyclegan/unet
      toonforge show lsgan
      toonforge show recipes/anime_unet.toml
      toonforge show cyclegan/cyclegan > mine.toml
    """
    known = kinds()
    is_file = name.endswith(".toml") or Path(name).is_file()
    found = [] if is_file else [(kind, registry) for kind, registry in known.items() if name in registry]
    if is_file or "recipes" in dict(found):
        show_recipe(name, overrides)
    for kind, registry in found:
        if kind != "recipes":
            show_component(kind, name, registry[name], registry.provenance(name))
    if not is_file and not found:
        names = [item for registry in known.values() for item in registry]
        hint = registries.plugins.explain(name) or did_you_mean(name, names) or "see: toonforge list"
        raise UnknownNameError(
            Problem(message=f"no component or recipe is called {name!r}", hint=hint), close_matches(name, names)
        )


def show_recipe(name: str, overrides: tuple[str, ...]) -> None:
    """Print the resolved recipe as TOML, highlighted on a terminal."""
    from toonforge.recipe import load
    from toonforge.recipe.resolved import dump

    text = dump(load(name, overrides))
    if not sys.stdout.isatty():
        echo(text.rstrip("\n"))
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(text.rstrip("\n"), "toml", theme="ansi_dark", background_color="default"))


def show_component(kind: str, name: str, cls: type[Any], provenance: Provenance) -> None:
    """Print what a component is and each of its fields."""
    echo(f"{heading(name)}  {singular(kind)}, from {provenance}")
    for paragraph in paragraphs(cls.__doc__ or ""):
        echo(paragraph)
    for key, (kind_of, attribute, info) in fields_of(cls).items():
        default = default_text(attribute.default)
        value = "required" if default == "required" else f"default {click.style(default, fg='green')}"
        echo(f"\n  {click.style(key, fg='cyan')}  {type_text(kind_of)}, {value}")
        echo(textwrap.fill(about(info), width() - 4, initial_indent=" " * 6, subsequent_indent=" " * 6))
    if not fields_of(cls):
        echo("\n  It has no fields.")


def paragraphs(doc: str) -> list[str]:
    """A docstring's paragraphs, without its indentation; lists keep their lines."""
    return [
        textwrap.indent(part if "\n " in part else textwrap.fill(part, width() - 4), "  ")
        for part in inspect.cleandoc(doc).split("\n\n")
        if part
    ]


def about(info: FieldInfo) -> str:
    """What a field's author says: what it does, its unit, its limits, where its default comes from."""
    parts = [info.doc, f"in {info.unit}" if info.unit else None, info.limits]
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
