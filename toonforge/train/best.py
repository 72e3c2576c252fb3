"""Which measurement was the best and for how long none was better: a function of what was measured, and nothing else.

So a resumed run, which reads its measurements from the log, decides as an uninterrupted one. Only numbers that were
made as the newest one was are compared: others, of another extractor, size or number of pictures, say nothing of it.
Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from toonforge.errors import Problem, RunError
from toonforge.events import About, Best
from toonforge.recipe.model import Recipe
from toonforge.runs.folder import remeasures
from toonforge.runs.verdict import first_best


@attrs.frozen
class Made:
    """How a number was made, as far as numbers compare only where it is the same; as in `toonforge.events.About`."""

    better: str | None
    protocol: str
    pictures: Mapping[str, int]

    @classmethod
    def of(cls, about: About | Mapping[str, Any] | None) -> Made | None:
        """Of what a measurement or the log says; None where that says nothing."""
        if about is None:
            return None
        known = about if isinstance(about, Mapping) else attrs.asdict(about, recurse=False)
        return cls(known.get("better"), known.get("protocol", ""), dict(known.get("pictures", {})))


@attrs.frozen
class Seen:
    """One measurement: its numbers by "metric" and "metric.part", and how that of the ranked metric was made."""

    values: Mapping[str, float]
    made: Made | None = None


class Ranking:
    """The measurements of one metric, ranked. Those count that were made as the newest one was.

    Args:
        metric: "metric" or "metric.part".
        lower: whether lower is better.
        patience: how many measurements without a better one end the training; None for any number.
    """

    def __init__(self, metric: str, lower: bool, patience: int | None) -> None:
        self.metric, self.lower, self.patience = metric, lower, patience
        self._values: dict[int, float] = {}
        self._made: Made | None = None
        self._gone: set[int] = set()

    @classmethod
    def of(cls, recipe: Recipe) -> Ranking | None:
        """As the recipe asks for it, which was checked; None where it does not."""
        rule = recipe.train.metrics
        if rule.best is None:
            return None
        lower = recipe.metrics[rule.best.partition(".")[0]].lower_is_better
        return cls(rule.best, bool(lower), rule.patience)

    @property
    def name(self) -> str:
        """The metric's name, without its part."""
        return self.metric.partition(".")[0]

    def add(self, step: int, seen: Seen) -> bool:
        """Take a measurement; returns whether it is better than all before that count.

        Raises:
            RunError: the metric has no such part.
        """
        value = self._found(seen.values)
        if value is None:
            raise self._no_such_part(seen.values)
        self._made_as(seen.made)
        before = self.best
        self._values[step] = value
        return self.best is not None and self.best.step == step and (before is None or before.step != step)

    def restore(self, measured: Mapping[int, Seen], kept: Callable[[int], bool]) -> None:
        """Take what the log says was measured, by step.

        What has no checkpoint any more cannot be the best that is kept: the best of the rest is, if there is a rest.

        Args:
            kept: whether there is a whole checkpoint of a step; asked for as few as possible.
        """
        self._forget()
        for step, seen in sorted(measured.items()):
            value = self._found(seen.values)
            if value is not None:
                self._made_as(seen.made)
                self._values[step] = value
        if self._made is not None and self._made.better not in (None, "lower" if self.lower else "higher"):
            self._forget()
        while (best := self.best) is not None and not kept(best.step):
            self._gone.add(best.step)

    def _made_as(self, made: Made | None) -> None:
        if made != self._made:
            self._forget()
        self._made = made

    def _forget(self) -> None:
        self._values, self._gone = {}, set()

    @property
    def made(self) -> Made | None:
        """How those that count were made."""
        return self._made

    @property
    def count(self) -> int:
        """How many measurements count."""
        return len(self._values)

    def _found(self, measured: Mapping[str, float]) -> float | None:
        """The ranked number: nan where the metric failed, which leaves its parts out; None where it has none such."""
        if self.metric in measured:
            return measured[self.metric]
        parts = [value for key, value in measured.items() if key.partition(".")[0] == self.name]
        return math.nan if parts and all(map(math.isnan, parts)) else None

    def _no_such_part(self, measured: Mapping[str, float]) -> RunError:
        name, part = self.name, self.metric.partition(".")[2]
        parts = [key for key in measured if key.partition(".")[0] == name]
        return RunError(
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
        known = {step: value for step, value in sorted(self._values.items()) if step not in without}
        step = first_best(known, "lower" if self.lower else "higher")
        return None if step is None else Best(metric=self.metric, value=known[step], step=step)

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


def logged_measurements(events: Iterable[Mapping[str, Any]], metric: str) -> dict[int, Seen]:
    """The complete measurements in a log, by step, since the last resume that changed how the metric is measured.

    Args:
        events: in order.
        metric: "metric" or "metric.part".
    """
    name = metric.partition(".")[0]
    found: dict[int, Seen] = {}
    for event in events:
        if event["event"] == "changed" and remeasures(str(event.get("change")), metric):
            found = {}
        elif event["event"] == "metrics" and event.get("complete") is not False:
            # The log's null is a number that JSON does not know.
            values = {key: math.nan if value is None else float(value) for key, value in event["metrics"].items()}
            found[event["step"]] = Seen(values, Made.of(event.get("about", {}).get(name)))
    return found
