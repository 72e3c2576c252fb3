"""Whether a translation beats what stands beside it: one rule for the terminal, the page and the warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

BASELINES: Mapping[str, str] = {"untranslated": "the untranslated pictures", "filter": "a plain cartoon filter"}
"""Part of a metric's results that its headline has to beat -> in words."""

Verdict = Literal["better", "near", "worse"]


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
