"""What a model offers, by its files' own description: known before torch is imported, which takes seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from toonforge import registries
from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.weights.chosen import Chosen, find_weights, refuse_damaged
from toonforge.weights.described import Weights, read_weights
from toonforge.weights.named import find_model


@attrs.frozen(kw_only=True)
class Offered:
    """A model that is not loaded yet.

    Attributes:
        recipe: the recipe's name.
        translations: domain -> expression of one picture, in the recipe's order; those that cannot be computed
            from the files at hand are left out.
        checkpoint: which of the run's checkpoints is meant.
        weights: those of each network that a translation uses, by name.
    """

    recipe: str
    translations: Mapping[str, Expr]
    checkpoint: Chosen
    weights: Mapping[str, Weights]


def offered(model: str | Path, checkpoint: str | int | None = None) -> Offered:
    """What a model offers.

    Args:
        model, checkpoint: see `toonforge.load`.

    Raises:
        RunError: for a path that holds no weights, damaged ones, or ones that offer no translation; for a checkpoint
            that is not there.
    """
    path = find_model(model)
    chosen, weights = held(path, checkpoint)
    first = next(iter(weights.values()))
    # Which names are networks is known only by what is no op: files of some may be missing.
    graph = Graph((), first.signals)
    needed = {to: graph.calls_of(expr) - set(registries.ops) for to, expr in first.translations.items()}
    usable = {
        to: first.translations[to]
        for to, calls in needed.items()
        if calls <= set(weights) and len(graph.fields_of(first.translations[to])) == 1
    }
    if not any(needed[to] for to in usable):  # without any network it is no model
        missing = sorted({call for calls in needed.values() for call in calls} - set(weights))
        raise RunError(
            Problem(
                message=f"{path} offers no translation",
                found=f"weights of {', '.join(weights)}"
                + (f"; those of {', '.join(missing)} are not there" if missing else ""),
                expected="networks that the recipe's [translations] name",
                hint="give the run's folder" if missing else "write [translations] into the recipe",
            )
        )
    used = {name: weights[name] for to in usable for name in sorted(needed[to])}
    return Offered(recipe=first.recipe, translations=usable, checkpoint=chosen, weights=used)


def held(path: Path, checkpoint: str | int | None) -> tuple[Chosen, dict[str, Weights]]:
    """Where the weights lie that a user means, and each network's, by name."""
    chosen, files = find_weights(path, checkpoint)
    refuse_damaged(chosen, files, all_of_run=path.is_dir())
    found = {item.network: item for file in files for item in read_weights(file)}
    if chosen.step is None:
        chosen = attrs.evolve(chosen, step=next(iter(found.values())).step)
    return chosen, found


def choose(recipe: str, translations: Mapping[str, Expr], to: str | None) -> str:
    """The domain that is meant: the first one by default; `RunError` for one that is not offered."""
    if to is None:
        return next(iter(translations))
    if to in translations:
        return to
    hint = did_you_mean(to, translations)
    raise RunError(
        Problem(message=f"{recipe} does not translate to {to!r}", expected=", ".join(translations), hint=hint)
    )
