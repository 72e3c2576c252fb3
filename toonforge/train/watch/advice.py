"""What helps a translation that a metric says no good of: it depends on what the metric compares, and on the losses."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from toonforge.components import Metric, expressions
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.train.watch.hints import asks_discriminators, lower_rate, pairing_terms

FALLING = 0.95
"""Losses whose mean over the last quarter of the steps is below this share of the quarter before still fall."""
LOGGED = 4
"""Least number of logged values in either quarter."""


class Advice:
    """The hints of metrics that are not beaten.

    Whether losses still fall is judged by those of the phases that train a translation, without those that ask a
    discriminator: a game of two has no slope.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._graph = Graph(recipe.modules, recipe.signals)
        self._logged: list[tuple[int, Mapping[str, float]]] = []

    def note(self, step: int, losses: Mapping[str, float]) -> None:
        """Remember a logged step."""
        self._logged.append((step, losses))

    def hint(self, metric: Metric) -> str:
        """What may help."""
        exprs = expressions(metric)
        translation = exprs.pop(metric.translated or "")
        networks = self._graph.networks_below(translation)
        phases = [name for name, phase in self._recipe.phases.items() if networks & set(phase.updates)]
        falling = any(map(self._falls, phases))
        helps = ["more steps, since losses still fall"] if falling else []
        if metric.together:
            helps += self._pairs(translation, next(iter(exprs.values())), phases, falling)
        else:
            helps += self._sets(phases, falling)
        return f"{'; '.join(helps)}; more validation pictures make the number surer; mend first what other warnings say"

    def _pairs(self, translation: Expr, target: Expr, phases: list[str], falling: bool) -> list[str]:
        terms = pairing_terms(self._recipe, self._graph, translation, target.text)
        if terms:
            helps = [f"a higher weight for the losses that compare outputs with {target} ({', '.join(terms)})"]
        else:
            helps = [f"a loss that compares outputs with {target} (l1, feature-l1)"]
        return [*helps, *([] if falling else [lower_rate(self._recipe, phases)]), "more training pictures"]

    def _sets(self, phases: list[str], falling: bool) -> list[str]:
        helps = [] if falling else ["more steps"]
        losses = [term.loss for name in phases for term in self._recipe.phases[name].losses.values()]
        if any(asks_discriminators(self._recipe, self._graph, loss) for loss in losses):
            helps.append("a higher weight for the adversarial losses")
        return [*helps, "more training pictures"]

    def _falls(self, phase: str) -> bool:
        weights = {
            f"{phase}.{key}": term.weight
            for key, term in self._recipe.phases[phase].losses.items()
            if term.weight > 0 and not asks_discriminators(self._recipe, self._graph, term.loss)
        }
        end = self._logged[-1][0] if self._logged else 0
        before: list[float] = []
        last: list[float] = []
        for step, losses in self._logged:
            if weights and step > end / 2 and losses.keys() >= weights.keys():
                (last if step > 0.75 * end else before).append(sum(w * losses[name] for name, w in weights.items()))
        return min(len(before), len(last)) >= LOGGED and fmean(last) < FALLING * fmean(before)
