"""`toonforge check`: whether recipes would train, said without training and without torch."""

from __future__ import annotations

import click

from toonforge.cli import faults
from toonforge.cli.text import echo
from toonforge.errors import ToonforgeError
from toonforge.recipe import load, verify_data
from toonforge.recipe.model import Recipe


@click.command()
@click.argument("recipes", nargs=-1, required=True)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value; VALUE is TOML.")
@click.option("--no-data", is_flag=True, help="Do not look whether the pictures are there.")
def command(recipes: tuple[str, ...], overrides: tuple[str, ...], no_data: bool) -> int:
    """Check recipes without training: names, types, expressions, shapes, and that the data is there.

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
                verify_data(recipe, name, overrides)
        except ToonforgeError as error:
            faults.show(error)
            code = 2
        else:
            echo(f"{click.style('OK', fg='green', bold=True)} {name}: {facts(recipe)}")
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
    length = f"{train.steps} steps" if train.steps is not None else f"{train.epochs:g} epochs"
    return "; ".join([*parts, f"phases {phases}", f"{length} of {train.batch_size}"])
