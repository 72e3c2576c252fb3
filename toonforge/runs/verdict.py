"""Whether a translation beats what stands beside it, and which measurement is the best: one rule for all who say so.

The terminal, the pages, the warnings and the best checkpoint do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from toonforge.events import FILTER, UNTRANSLATED

if TYPE_CHECKING:
    from toonforge.runs.recorded import Measurement

BASELINES: Mapping[str, str] = {UNTRANSLATED: "the untranslated pictures", FILTER: "a plain cartoon filter"}
"""Part of a metric's results that its headline has to beat -> in words."""

Verdict = Literal["better", "near", "worse"]
Key = TypeVar("Key")


def against(results: Mapping[str, float], rival: str, better: str | None) -> Verdict | None:
    """How a metric's headline stands against a part of `BASELINES`; None where nothing can be said.

    "near" is a difference smaller than one standard error of it, where the metric gives standard errors: taken as no
    difference. Equal numbers are "worse": nothing was beaten.

    Args:
        results: part -> value, as in `toonforge.events.Measured`; standard errors are "std" and "RIVAL_std".
        better: "lower" or "higher"; None for a number that does not judge.
    """
    own, other = results.get("", math.nan), results.get(rival, math.nan)
    if better is None or math.isnan(own) or math.isnan(other):
        return None
    if own == other:
        return "worse"
    gain = other - own if better == "lower" else own - other
    errors = [error for key in ("std", f"{rival}_std") if math.isfinite(error := results.get(key, math.nan))]
    if abs(gain) < math.hypot(*errors):
        return "near"
    return "better" if gain > 0 else "worse"


def lost(results: Mapping[str, float], better: str | None, words: Mapping[str, str] = BASELINES) -> str:
    """What a metric's headline does not beat, in words; empty where it beats all, or nothing can be said.

    Where the untranslated pictures are not measured, the number is of the change that was made, not of its worth.

    Args:
        results, better: as for `against`.
        words: what to call each part.
    """
    if UNTRANSLATED not in results:
        return ""
    found = {told: against(results, part, better) for part, told in words.items()}
    worse = [told for told, verdict in found.items() if verdict == "worse"]
    near = [told for told, verdict in found.items() if verdict == "near"]
    said = [f"does not beat {' or '.join(worse)}"] if worse else []
    return "; ".join([*said, *([f"within the error of {' and '.join(near)}"] if near else [])])


def first_best(values: Mapping[Key, float], better: str) -> Key | None:
    """Whose value is the best, the first of several; None where nothing has a finite one.

    Args:
        better: "lower" or "higher".
    """
    known = {key: value for key, value in values.items() if math.isfinite(value)}
    return (min if better == "lower" else max)(known, key=known.__getitem__, default=None)


def as_the_newest(measured: Sequence[Measurement], metric: str) -> Sequence[Measurement]:
    """The measurements of a metric, in order, that were made as the newest one, without a break before it.

    Others, from before a resume that changed how the metric is measured, say nothing of it; nor do those that are not
    complete.
    """
    named = [m for m in measured if metric in m.values and m.complete]
    made = [_made(m, metric) for m in named]
    first = next((place + 1 for place in range(len(made) - 1, -1, -1) if made[place] != made[-1]), 0)
    return named[first:]


def _made(measured: Measurement, metric: str) -> tuple[object, ...]:
    about = measured.about.get(metric)
    return () if about is None else (about.better, about.protocol, dict(about.pictures))


def best_of(measured: Sequence[Measurement], metric: str) -> Measurement | None:
    """The first best of a run's measurements of a metric; None where neither direction is better.

    Only those count that were made `as_the_newest`.
    """
    alike = as_the_newest(measured, metric)
    about = alike[-1].about.get(metric) if alike else None
    if about is None or about.better is None:
        return None
    best = first_best({place: m.values[metric].get("", math.nan) for place, m in enumerate(alike)}, about.better)
    return None if best is None else alike[best]
