"""Metrics over several runs: which values compare, which is the best, and what they have to beat."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import attrs

from toonforge.events import FILTER, UNTRANSLATED, About
from toonforge.report.compared import Compared
from toonforge.runs.fingerprint import same
from toonforge.runs.record import Measurement
from toonforge.runs.verdict import best_of
from toonforge.validation.protocol import of_headline

REFERENCES = (UNTRANSLATED, FILTER)
"""Parts of a metric that say what the headline is without the model: for the input, and for a plain picture filter."""
VALIDATION = "validation: "
"""What lock.json's fingerprints of validation pictures begin with."""
SAME = 1e-3
"""References of one metric that differ by more than this part of themselves were measured on other pictures."""


@attrs.frozen(kw_only=True)
class Metric:
    """One metric over all runs.

    Attributes:
        name: as the recipes call it.
        better: "lower" or "higher"; None where it does not judge, or the logs do not say.
        last: run -> its last measurement that has the metric.
        best: run -> its best one of those made as its last, or its last; empty where `better` is None.
        parts: further parts than the headline, its error and the references, in the order first seen.
        protocols: how it was measured -> the runs that did it so.
        apart: why the values do not compare; None where they do.
    """

    name: str
    better: str | None
    last: Mapping[str, Measurement]
    best: Mapping[str, Measurement]
    parts: tuple[str, ...]
    protocols: Mapping[str, Sequence[str]]
    apart: str | None

    def winners(self, which: str) -> frozenset[str]:
        """The runs with the best of the "last" or of the "best" values; none while fewer than two compare."""
        if self.better is None or self.apart is not None:
            return frozenset()
        chosen: Mapping[str, Measurement] = self.last if which == "last" else self.best
        return best({run: value_of(m, self.name) for run, m in chosen.items()}, self.better)

    @property
    def several(self) -> bool:
        """Whether a run was measured at a step that is better than its last."""
        return any(self.last[run].step != measured.step for run, measured in self.best.items())


def metrics_of(runs: Sequence[Compared]) -> list[Metric]:
    """Every metric that a run was measured by, in the order first seen."""
    names = dict.fromkeys(name for run in runs for measured in run.measured for name in measured.values)
    return [_metric(name, runs) for name in names]


def _metric(name: str, runs: Sequence[Compared]) -> Metric:
    own = {run.name: [measured for measured in run.measured if name in measured.values] for run in runs}
    own = {run: found for run, found in own.items() if found}
    last = {run: found[-1] for run, found in own.items()}
    abouts = {run: measured.about[name] for run, measured in last.items() if name in measured.about}
    better = next((about.better for about in abouts.values() if about.better is not None), None)
    alike: dict[str, list[str]] = {}
    for run, about in abouts.items():
        alike.setdefault(of_headline(about.protocol), []).append(run)
    protocols = {max((abouts[run].protocol for run in who), key=len): who for who in alike.values()}
    parts = dict.fromkeys(part for found in own.values() for measured in found for part in measured.values[name])
    return Metric(
        name=name,
        better=better,
        last=last,
        best={} if better is None else {run: best_of(found, name) or found[-1] for run, found in own.items()},
        parts=tuple(part for part in parts if not _known(part, parts)),
        protocols=protocols,
        apart=_apart(name, last, abouts, protocols) or _other_pictures(name, last, runs),
    )


def _known(part: str, parts: Mapping[str, None]) -> bool:
    base = part.removesuffix("_std")
    return part in ("", "std") or base in REFERENCES or (base != part and base in parts)


def _apart(
    name: str, last: Mapping[str, Measurement], abouts: Mapping[str, About], protocols: Mapping[str, Sequence[str]]
) -> str | None:
    """Why the last values do not compare, in words."""
    if len(last) < 2:
        return None
    if len(protocols) > 1:
        return "measured in different ways"
    if len({tuple(sorted(about.pictures.items())) for about in abouts.values()}) > 1:
        return "measured on different numbers of pictures"
    return None


def _other_pictures(name: str, last: Mapping[str, Measurement], runs: Sequence[Compared]) -> str | None:
    """That the runs' validation pictures differ, by the list of them or by what needs no model; in words."""
    lists = [
        {str(key): str(told) for key, told in data.items() if str(key).startswith(VALIDATION)}
        for run in runs
        if run.name in last and run.record is not None and isinstance(data := run.record.lock.get("data"), Mapping)
    ]
    if any(_differ(one, two) for one, two in combinations(filter(None, lists), 2)):
        return "measured on different pictures"
    for part in REFERENCES:
        values = [value for m in last.values() if math.isfinite(value := value_of(m, name, part))]
        # Near 0 a number's own error says what another machine's rounding may change.
        errors = [error for m in last.values() if math.isfinite(error := value_of(m, name, f"{part}_std"))]
        if values and max(values) - min(values) > SAME * max([*map(abs, values), *(10 * error for error in errors)]):
            return "measured on different pictures, as those that no model has touched show"
    return None


def _differ(one: Mapping[str, str], two: Mapping[str, str]) -> bool:
    return one.keys() != two.keys() or any(not same(told, two[key]) for key, told in one.items())


def value_of(measured: Measurement, metric: str, part: str = "") -> float:
    """One number; nan where it is not there."""
    return measured.values[metric].get(part, math.nan)


def best(values: Mapping[str, float], better: str) -> frozenset[str]:
    """Who has the best value; nobody while fewer than two have one, or where all have the same."""
    known = {name: value for name, value in values.items() if math.isfinite(value)}
    if len(set(known.values())) < 2:
        return frozenset()
    winner = (min if better == "lower" else max)(known.values())
    return frozenset(name for name, value in known.items() if value == winner)


@attrs.frozen
class Level:
    """What a reference has in one metric, with its standard error; nan where the metric gives none."""

    value: float
    error: float


def references(metrics: Sequence[Metric], part: str) -> dict[str, list[Level]]:
    """Metric -> what the runs found for a reference, each number (to one in a thousand) once; empty if none did."""
    found: dict[str, list[Level]] = {}
    for metric in metrics:
        distinct: list[Level] = []
        for measured in metric.last.values():
            value = value_of(measured, metric.name, part)
            near = any(abs(value - one.value) <= SAME * max(abs(value), abs(one.value)) for one in distinct)
            if math.isfinite(value) and not near:
                distinct.append(Level(value, value_of(measured, metric.name, f"{part}_std")))
        if distinct:
            found[metric.name] = distinct
    return found
