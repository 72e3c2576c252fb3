"""Metrics that say no better of the translations than of what costs nothing: untranslated pictures, a plain filter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import attrs

from toonforge.components import Metric, expressions
from toonforge.events import FILTER, UNTRANSLATED, Measured
from toonforge.recipe.expr import Name
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.runs.verdict import against
from toonforge.train.watch.advice import Advice
from toonforge.train.watch.finding import Finding

KIND = "not-beaten"
EARLIEST = 200
"""Steps before which no measurement is judged, however short the run."""
_WORDS = {UNTRANSLATED: "of the untranslated pictures", FILTER: "of a plain cartoon filter"}


@attrs.frozen
class Value:
    """A number and its standard error, 0 where it has none."""

    value: float
    std: float

    def __str__(self) -> str:
        return f"{self.value:.4g}" + (f" ± {self.std:.2g}" if self.std > 0 else "")


class Measurements:
    """Watches the metrics of a recipe from the second half of a run on.

    A warning begins where a translation is no better than one of the two even if it is taken to be better, and the
    other to be worse, by one standard error of their difference; it is over when the numbers as they stand are better.

    Left alone are metrics that do not judge, or that compare a translation with its own input alone (nothing keeps the
    content better than leaving a picture as it is); and the filter where the filter's pictures are what is to be made.

    Args:
        total_steps: the run's length; unknown, measurements before the end are not judged.
    """

    def __init__(self, recipe: Recipe, total_steps: int | None) -> None:
        graph = Graph(recipe.modules, recipe.signals)
        self._rivals = {name: rivals for name, m in recipe.metrics.items() if (rivals := _rivals(recipe, graph, m))}
        self._metrics = recipe.metrics
        self._advice = Advice(recipe)
        self._lower = {name: bool(metric.lower_is_better) for name, metric in recipe.metrics.items()}
        if total_steps is not None:
            self._from: float = max(EARLIEST, total_steps / 2)
        else:
            self._from = EARLIEST if recipe.train.metrics.every is None else math.inf

    def note(self, step: int, losses: Mapping[str, float]) -> None:
        """Remember a logged step."""
        self._advice.note(step, losses)

    def measured(self, measured: Measured) -> Iterator[Finding]:
        """Judge what was measured."""
        if measured.step < self._from:
            return
        for name, parts in measured.metrics.items():
            own = _value(parts, "")
            known = {rival: _value(parts, rival) for rival in self._rivals.get(name, ())}
            others = {rival: value for rival, value in known.items() if value is not None}
            if own is not None and others:
                about = measured.about.get(name)
                better = "lower" if self._lower[name] else "higher"
                lost = [rival for rival in others if against(parts, rival, better) == "worse"]
                yield self._judge(name, own, others, lost, about.cautions if about is not None else ())

    def _judge(
        self, name: str, own: Value, others: Mapping[str, Value], lost: list[str], cautions: tuple[str, ...]
    ) -> Finding:
        sign = 1 if self._lower[name] else -1
        behind = [sign * (own.value - other.value) for other in others.values()]
        than = " and ".join(f"{others[rival]} {_WORDS[rival]}" for rival in lost)
        caution = f" ({'; '.join(cautions)})" if cautions else ""
        return Finding(
            kind=KIND,
            about=name,
            begins=bool(lost),
            lasts=max(behind) >= 0,
            message=f"{name} of the translations is {own}, no better than the {than}{caution}",
            hint=self._advice.hint(self._metrics[name]),
        )


def _rivals(recipe: Recipe, graph: Graph, metric: Metric) -> tuple[str, ...]:
    """What the metric's translations have to beat."""
    exprs = expressions(metric)
    translation = exprs.pop(metric.translated or "", None)
    if metric.lower_is_better is None or translation is None or len(graph.fields_of(translation)) != 1:
        return ()
    (field,) = graph.fields_of(translation)
    if exprs and all(expr.text == field for expr in exprs.values()):
        return ()
    made = getattr(recipe.data, "filtered", {})
    drawn = any(
        isinstance(expr.root, Name)
        and expr.text in made
        and field in made[expr.text].names()
        and any(call.function == "cartoonize" for call in made[expr.text].calls())
        for expr in exprs.values()
    )
    return (UNTRANSLATED,) if drawn else (UNTRANSLATED, FILTER)


def _value(parts: Mapping[str, float], part: str) -> Value | None:
    """A headline with its standard error; None where it is missing or not a number."""
    value, std = parts.get(part, math.nan), parts.get(f"{part}_std" if part else "std", math.nan)
    return Value(value, std if math.isfinite(std) else 0.0) if math.isfinite(value) else None
