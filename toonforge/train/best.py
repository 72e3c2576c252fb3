"""Which measurement was the best and for how long none was better: a function of what was measured, and nothing else.

So a resumed run, which reads its measurements from the log, decides as an uninterrupted one. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from toonforge.errors import Problem, RunError
from toonforge.events import Best
from toonforge.recipe.model import Recipe


class Ranking:
    """The measurements of one metric, ranked.

    Args:
        metric: "metric" or "metric.part".
        lower: whether lower is better.
        patience: how many measurements without a better one end the training; None for any number.
    """

    def __init__(self, metric: str, lower: bool, patience: int | None) -> None:
        self.metric, self.lower, self.patience = metric, lower, patience
        self._values: dict[int, float] = {}
        self._gone: set[int] = set()

    @classmethod
    def of(cls, recipe: Recipe) -> Ranking | None:
        """As the recipe asks for it, which was checked; None where it does not."""
        rule = recipe.train.metrics
        if rule.best is None:
            return None
        lower = recipe.metrics[rule.best.partition(".")[0]].lower_is_better
        return cls(rule.best, bool(lower), rule.patience)

    def add(self, step: int, measured: Mapping[str, float]) -> bool:
        """Take a measurement, by "metric" and "metric.part"; returns whether it is better than all before.

        Raises:
            RunError: the metric has no such part.
        """
        before = self.best
        self._values[step] = self._value(measured)
        return self.best is not None and self.best.step == step and (before is None or before.step != step)

    def restore(self, measured: Mapping[int, Mapping[str, float]], kept: Callable[[int], bool]) -> None:
        """Take what the log says was measured, by step.

        What has no checkpoint any more cannot be the best that is kept: the best of the rest is, if there is a rest.

        Args:
            kept: whether there is a whole checkpoint of a step; asked for as few as possible.
        """
        self._values = {step: values[self.metric] for step, values in measured.items() if self.metric in values}
        self._gone = set()
        while (best := self.best) is not None and not kept(best.step):
            self._gone.add(best.step)

    def _value(self, measured: Mapping[str, float]) -> float:
        if self.metric in measured:
            return measured[self.metric]
        name, _, part = self.metric.partition(".")
        parts = [key for key in measured if key.partition(".")[0] == name]
        raise RunError(
            Problem(
                message=f"the metric {name!r} gives no {part!r}"
                if part
                else f"the metric {name!r} gives no one number",
                key="train.metrics.best",
                found=self.metric,
                expected=" or ".join(parts) or None,
                hint="continue with --resume and another one: --set 'train.metrics.best=\"…\"'",
            )
        )

    def _first_best(self, without: set[int]) -> Best | None:
        known = {
            step: value for step, value in sorted(self._values.items()) if math.isfinite(value) and step not in without
        }
        if not known:
            return None
        step = (min if self.lower else max)(known, key=known.__getitem__)
        return Best(metric=self.metric, value=known[step], step=step)

    @property
    def best(self) -> Best | None:
        """The first of the best, of those whose checkpoint is kept."""
        return self._first_best(self._gone)

    @property
    def lost(self) -> Best | None:
        """A better one than `best`, whose checkpoint is not there any more."""
        first = self._first_best(set())
        return first if first is not None and first.step in self._gone else None

    @property
    def waited(self) -> int:
        """How many measurements have come since the last that was better than all before."""
        last = max((best.step for best in (self.best, self.lost) if best is not None), default=-1)
        return sum(step > last for step in self._values)

    @property
    def over(self) -> bool:
        """Whether patience is at its end."""
        return self.patience is not None and self.waited >= self.patience
