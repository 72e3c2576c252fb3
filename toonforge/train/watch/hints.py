"""What in a recipe a hint should name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toonforge.components import Component, expressions, network_names
from toonforge.recipe.expr import Expr, Name
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe

MOST = 4


def holding_terms(recipe: Recipe, graph: Graph, translation: Expr) -> list[str]:
    """Losses that compare something a translation's networks make with an unchanged batch field, as a recipe writes
    their weights: ways back, identity and content terms. The heaviest first, `MOST` at most."""
    found = sorted(_holding(recipe, graph, translation), reverse=True)
    return [f"{key}.weight = {weight:g}" for weight, key in found[:MOST]]


def _holding(recipe: Recipe, graph: Graph, translation: Expr) -> Iterator[tuple[float, str]]:
    networks = graph.networks_below(translation)
    for name, phase in recipe.phases.items():
        if not networks & set(phase.updates):
            continue
        for key, term in phase.losses.items():
            exprs = [*expressions(term.loss).values()]
            fields = {expr.text for expr in exprs if isinstance(expr.root, Name) and expr.text not in recipe.signals}
            made = [expr for expr in exprs if graph.networks_below(expr) & networks]
            if term.weight > 0 and any(graph.fields_of(expr) & fields for expr in made):
                yield term.weight, f"phases.{name}.losses.{key}"


def pairing_terms(recipe: Recipe, graph: Graph, translation: Expr, target: str) -> list[str]:
    """Losses that compare something a translation's networks make with `target`, as a recipe writes their weights,
    those of weight 0 too."""
    networks = graph.networks_below(translation)
    found = []
    for name, phase in recipe.phases.items():
        for key, term in phase.losses.items():
            texts = {expr.text: graph.networks_below(expr) for expr in expressions(term.loss).values()}
            if networks & set(phase.updates) and target in texts and any(networks & below for below in texts.values()):
                found.append(f"phases.{name}.losses.{key}.weight = {term.weight:g}")
    return found[:MOST]


def asks_discriminators(recipe: Recipe, graph: Graph, config: Component) -> bool:
    """Whether a loss is about what discriminators say."""
    called = {name for expr in expressions(config).values() for name in graph.networks_below(expr)}
    return not called.isdisjoint(recipe.discriminators) or not recipe.discriminators.keys().isdisjoint(
        network_names(config).values()
    )


def lower_rate(recipe: Recipe, phases: Sequence[str]) -> str:
    """The advice to learn more slowly, with the rates of these phases as a recipe writes them."""
    rates = {}
    for name in phases:
        own = recipe.phases[name].optimizer
        optimizer, key = (recipe.train.optimizer, "train") if own is None else (own, f"phases.{name}")
        rate = getattr(optimizer, "lr", None)
        if rate is not None:
            rates[f"{key}.optimizer.lr"] = f"{key}.optimizer.lr = {rate:g}"
    return "a lower learning rate" + (f" ({', '.join(f'now {r}' for r in rates.values())})" if rates else "")
