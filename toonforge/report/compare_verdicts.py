"""What a comparison says of its best values: whether they beat the untranslated pictures, and whether they are sure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from toonforge.report.compare_metrics import Metric
from toonforge.runs.record import Measurement
from toonforge.runs.verdict import BASELINES, Verdict, against


def verdicts(metrics: Sequence[Metric]) -> list[str]:
    """A sentence a metric: which runs do not beat what stands below them, and where the best is not sure."""
    notes = []
    for metric in metrics:
        said: dict[str, list[str]] = {}
        for which in ("last", "best") if metric.several else ("last",):
            text = "; ".join([*_not_beaten(metric, which), *_unsure(metric, which)])
            said.setdefault(text, []).append(which)
        for text, which_of in said.items():
            told = f" ({' and '.join(which_of)})" if metric.several else ""
            notes += [f"{metric.name}{told}: {text}"] if text else []
    return notes


def _verdicts(measured: Measurement, metric: Metric) -> dict[str, Verdict]:
    results = measured.values[metric.name]
    if "untranslated" not in results:
        return {}
    found = {part: against(results, part, metric.better) for part in BASELINES}
    return {part: verdict for part, verdict in found.items() if verdict is not None}


def _chosen(metric: Metric, which: str) -> Mapping[str, Measurement]:
    return metric.last if which == "last" else metric.best


def _not_beaten(metric: Metric, which: str) -> list[str]:
    """Who does not beat what, and who is within the error of what."""
    found = {run: _verdicts(measured, metric) for run, measured in _chosen(metric, which).items()}
    losing: dict[str, list[str]] = {}
    close: dict[str, list[str]] = {}
    for part, rival in BASELINES.items():
        judged = {run: verdict[part] for run, verdict in found.items() if part in verdict}
        worse = [run for run, verdict in judged.items() if verdict == "worse"]
        near = [run for run, verdict in judged.items() if verdict == "near"]
        if len(judged) > 1 and len(worse) + len(near) == len(judged):
            losing.setdefault("no run beats", []).append(rival)
        elif worse:
            losing.setdefault(f"{words(worse)} {'does' if len(worse) == 1 else 'do'} not beat", []).append(rival)
        if near:
            close.setdefault(f"{words(near)} {_lie(near)} within the error of", []).append(rival)
    return [
        *(f"{text} {' or '.join(rivals)}" for text, rivals in losing.items()),
        *(f"{text} {' and '.join(rivals)}" for text, rivals in close.items()),
    ]


def _unsure(metric: Metric, which: str) -> Iterator[str]:
    """A sentence where another run lies within the standard errors of the best."""
    winners = metric.winners(which)
    if len(winners) != 1:
        return
    (winner,) = winners
    chosen = _chosen(metric, which)
    own = chosen[winner].values[metric.name]
    near = []
    for run, measured in chosen.items():
        other = measured.values[metric.name]
        pair = {"": own[""], "std": own.get("std", math.nan)}
        pair |= {"other": other.get("", math.nan), "other_std": other.get("std", math.nan)}
        if run != winner and against(pair, "other", metric.better) == "near":
            near.append(run)
    if near:
        yield f"that {winner} is the best is not sure: {words(near)} {_lie(near)} within the error"


def _lie(names: Sequence[str]) -> str:
    return "lies" if len(names) == 1 else "lie"


def words(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1])] * bool(names[1:]) + list(names[-1:]))
