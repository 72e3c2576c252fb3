"""What in a recipe a hint should name."""

from __future__ import annotations

from collections.abc import Iterator

from toonforge.components import expressions
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
