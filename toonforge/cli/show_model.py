"""What `toonforge show` says of a trained model: what it is, what it offers, and how a recipe starts from it."""

from __future__ import annotations

from pathlib import Path

import click

from toonforge.cli.text import echo, hanging, heading, table
from toonforge.recipe.expr import Expr
from toonforge.recipe.scope import NETWORK_TABLES
from toonforge.registries import models
from toonforge.runs.described import has_checkpoints
from toonforge.weights.chosen import find_weights
from toonforge.weights.described import SUFFIX, Weights, read_weights
from toonforge.weights.named import find_model
from toonforge.weights.network import network_config
from toonforge.weights.origin import as_written


def is_model(name: str) -> bool:
    """Whether a model is meant: a run, a checkpoint, a weights file, or an installed one."""
    path = Path(name)
    if path.is_dir():
        return has_checkpoints(path) or any(path.glob(f"*{SUFFIX}"))
    return path.suffix == SUFFIX or name in models or name in [known.rpartition("/")[2] for known in models]


def show_model(name: str) -> None:
    """Print what a model says of itself; raises `RunError` for one that cannot be read."""
    path = find_model(name)
    chosen, files = find_weights(path)
    held = [weights for file in files for weights in read_weights(file)]
    first, step = held[0], chosen.step if chosen.step is not None else held[0].step
    where = "" if str(path) == name else f", {path}"
    echo(f"{heading(name)}  model{where}")
    rows = [("recipe", first.recipe), *([("steps", f"{step:,}")] if step is not None else [])]
    if first.image_size is not None:
        rows.append(("trained on", f"{first.image_size} x {first.image_size} pixels"))
    rows += [("to " + target, _written_out(expr, first)) for target, expr in first.translations.items()]
    rows += [(key, " ".join(text.split())) for key, text in first.card.items()]
    echo(table(rows, wrap=1, colours=("cyan", None)))
    echo("\n" + hanging("Its networks, as a recipe that starts from it writes them:", "  "))
    for kind in NETWORK_TABLES:
        some = [weights for weights in held if weights.kind == kind]
        if some:
            echo(click.style(f"\n  [{kind}]", fg="cyan"))
        for weights in some:
            echo(f"  {weights.network} = {as_written(network_config(weights), weights=name)}")


def _written_out(expr: Expr, weights: Weights) -> str:
    """The expression; a signal's own text where it is one."""
    return weights.signals[expr.text].text if expr.text in weights.signals else expr.text
