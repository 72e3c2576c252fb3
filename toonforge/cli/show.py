"""`toonforge show`: a component's fields, or a recipe with every default filled in."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import click

from toonforge import registries
from toonforge.cli import completing
from toonforge.cli.list import kinds
from toonforge.cli.show_model import is_model, show_model
from toonforge.cli.text import echo, hanging, heading, table
from toonforge.components import deprecation_of, fields_of
from toonforge.data.filters.fields import ABOUT, FILTERS, PLAIN
from toonforge.errors import Problem, UnknownNameError
from toonforge.names import close_matches, did_you_mean
from toonforge.recipe.initial import KEY
from toonforge.recipe.layout import begins_with
from toonforge.recipe.telling import about, default_text, type_text
from toonforge.registry import Provenance, singular


@click.command()
@click.argument("name", shell_complete=completing.anything)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="For a recipe: change a value first.")
def command(name: str, overrides: tuple[str, ...]) -> None:
    """Explain a component or a model, or print a recipe with every default filled in.

    NAME is a component ("cyclegan/unet", "lsgan"), a picture filter ("cartoonize"), a packaged recipe
    ("cyclegan/cyclegan") or a recipe file; or a trained model: a run's folder, a weights file, or an installed one's
    name.

    \b
    Examples:
      toonforge show cyclegan/unet
      toonforge show lsgan
      toonforge show recipes/anime_unet.toml
      toonforge show cyclegan/cyclegan > mine.toml
      toonforge show runs/anime_unet
    """
    known = kinds()
    trained = is_model(name)
    is_file = name.endswith(".toml") or (Path(name).is_file() and not trained)
    components = {kind: registry for kind, registry in known.items() if kind != "models" and not is_file}
    found = [(kind, registry) for kind, registry in components.items() if name in registry]
    if is_file or "recipes" in dict(found):
        show_recipe(name, overrides)
    for kind, registry in found:
        if kind != "recipes":
            show_component(kind, name, registry[name], registry.provenance(name))
    if not is_file and not found and name in FILTERS:
        show_filter(name)
    elif not found and trained:
        show_model(name)
    elif not is_file and not found:
        names = [*(item for registry in known.values() for item in registry), *FILTERS]
        if (refusal := registries.plugins.refusal(name)) is not None:
            raise UnknownNameError(refusal)
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
    if (going := deprecation_of(cls)) is not None:
        echo(hanging(f"{click.style('deprecated', fg='yellow')}: {going}", "  "))
    for paragraph in paragraphs(cls.__doc__ or "It has no description: the docstring of its class is empty."):
        echo(paragraph)
    for key, (kind_of, attribute, info) in fields_of(cls).items():
        default = default_text(attribute.default)
        value = "required" if default == "required" else f"default {click.style(default, fg='green')}"
        if attribute.default is None and "inferred" in info.doc:
            value = "inferred"
        echo(hanging(f"{type_text(kind_of)}, {value}", f"\n  {click.style(key, fg='cyan')}  ", " " * 6))
        echo(hanging(about(info), " " * 6, " " * 6))
    if begins_with(cls):
        echo(hanging('text or table, default "random"', f"\n  {click.style(KEY, fg='cyan')}  ", " " * 6))
        echo(hanging("what it starts from: an installed model, a run or a weights file", " " * 6, " " * 6))
    elif not fields_of(cls):
        echo("\n  It has no fields.")


def show_filter(name: str) -> None:
    """Print what a picture filter does and its styles, the default one first."""
    what, styles = ABOUT[name]
    echo(f"{heading(name)}  picture filter, written in [data] filtered; from toonforge")
    echo(hanging(what, "  "))
    named = [style for style in FILTERS[name] if style != PLAIN]
    echo(f'\n  filtered = {{ made = "{name}({", ".join(["photo", *named[-1:]])})" }}')
    if named:
        echo("\n" + hanging(f'Its styles, of which one or more may be named; "{named[0]}" when none is:', "  "))
        echo(table([(style, styles[style]) for style in named], wrap=1, indent=4, colours=("cyan", None)))


def paragraphs(doc: str) -> list[str]:
    """A docstring's paragraphs, without its indentation; a list, its heading ending with ":", keeps its items."""
    shown = []
    for part in inspect.cleandoc(doc).split("\n\n"):
        head, *rest = part.split("\n")
        if head.endswith(":") and rest and rest[0].startswith(" "):
            items = re.sub(r"\n {5,}", " ", "\n".join(rest)).split("\n")
            shown.append("\n".join([f"  {head}", *(hanging(item, " " * 6, " " * 10) for item in items)]))
        else:
            shown.append(hanging(part, "  "))
    return shown
