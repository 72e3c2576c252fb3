"""`toonforge check`: whether recipes would train, said without training and without torch."""

from __future__ import annotations

import sys

import click

from toonforge.cli import completing, faults
from toonforge.cli.text import echo, hanging
from toonforge.errors import ToonforgeError
from toonforge.recipe import load, verify
from toonforge.recipe.model import Recipe


@click.command()
@click.argument("recipes", nargs=-1, required=True, shell_complete=completing.recipes)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value; VALUE is TOML.")
@click.option("--no-data", is_flag=True, help="Do not look for pictures, packages and weights.")
def command(recipes: tuple[str, ...], overrides: tuple[str, ...], no_data: bool) -> int:
    """Check recipes without training: names, types, expressions, shapes, and what this machine must have for them.

    That is pictures, packages and weights: they are looked for, not opened. What only shows when networks are built
    and pictures are decoded is left to the run.

    \b
    Examples:
      toonforge check recipes/anime_unet.toml
      toonforge check recipes/*.toml
      toonforge check cyclegan/cyclegan --no-data --set generators.G.blocks=6
    """
    code = 0
    for name in recipes:
        try:
            recipe = load(name, overrides)
            if not no_data:
                verify(recipe, name, overrides)
        except ToonforgeError as error:
            faults.show(error)
            code = 2
        else:
            line = f"{click.style('OK', fg='green', bold=True)} {name}: {facts(recipe)}"
            echo(hanging(line, then="   ") if sys.stdout.isatty() else line)  # one line each in files and pipes
    return code


def facts(recipe: Recipe) -> str:
    """What would be trained, in one line."""
    from toonforge.cli.shapes import network_shapes

    alike: dict[str, list[str]] = {}
    for name, shapes in network_shapes(recipe).items():
        alike.setdefault(shapes, []).append(name)
    parts = [f"{', '.join(names)} {shapes}" for shapes, names in alike.items()]
    phases = ", ".join(recipe.phases)
    train = recipe.train
    count, unit = (f"{train.steps}", "step") if train.steps is not None else (f"{train.epochs:g}", "epoch")
    length = f"{count} {unit}{'s' * (count != '1')}"
    return "; ".join([*parts, f"phases {phases}", f"{length}, batches of {train.batch_size}"])
