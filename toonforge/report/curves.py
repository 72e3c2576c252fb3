"""What the charts of a run show: losses of each phase, metrics beside their baselines, rates, speed and memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toonforge.events import FILTER, UNTRANSLATED
from toonforge.report.clock import Clock
from toonforge.report.thinning import NOTHING, columns, curve
from toonforge.runs.record import Measurement, PhaseSpan, Record

BASELINES = {UNTRANSLATED: "untranslated", FILTER: "plain cartoon filter"}
"""Part of a metric -> what it is called: the same metric without the translation, and with a picture filter instead."""
DWARFS = 5
"""A weighted sum that is so many times its largest term is not shown until asked for."""
SUM = 9
"""The colour of weighted sums, that of the text: no loss has it before the ninth."""
SPREADS = ("std", *(f"{part}_std" for part in BASELINES))


def axis(record: Record, clock: Clock) -> Mapping[str, Any]:
    """The x axis of a run for charts.js."""
    epoch = record.starts[-1].steps_per_epoch if record.starts else 0
    return {"total": max(record.step, 1), "epoch": epoch if epoch > 0 else None, "times": clock.axis()}


def charts(record: Record, clock: Clock) -> Mapping[str, Any]:
    """Everything that charts.js draws of one run."""
    return {
        "axes": [axis(record, clock)],
        "spans": spans(record.starts[-1].phases if record.starts else (), max(record.step, 1)),
        "marks": marks(record),
        "groups": [group for group in (_losses(record), _metrics(record), _engine(record)) if group["charts"]],
    }


def spans(phases: Sequence[PhaseSpan], total: int) -> list[Mapping[str, Any]]:
    """Which phases are active when: stretches of steps with the names of all that are."""
    edges = sorted({0, total, *(min(max(edge, 0), total) for phase in phases for edge in (phase.start, phase.stop))})
    found: list[Any] = []
    for start, stop in itertools.pairwise(edges):
        active = [_named(phase) for phase in phases if phase.start <= start and phase.stop >= stop]
        label = " + ".join(active) or "no phase"
        if found and found[-1]["label"] == label:
            found[-1]["stop"] = stop
        else:
            found.append({"start": start, "stop": stop, "label": label})
    return found


def _named(phase: PhaseSpan) -> str:
    return phase.name if phase.every == 1 else f"{phase.name} (every {phase.every} steps)"


def marks(record: Record) -> list[Mapping[str, Any]]:
    """Where something happened."""
    found: list[Mapping[str, Any]] = [
        {"step": start.step, "label": "resumed", "kind": "resumed"} for start in record.starts[1:]
    ]
    found += [{"step": w.warned.step, "label": w.warned.kind, "kind": "warning"} for w in record.warnings]
    if record.best is not None:
        found.append({"step": record.best.step, "label": f"best {record.best.metric}", "kind": "best"})
    return found


def _losses(record: Record) -> Mapping[str, Any]:
    losses = columns((step.step, step.losses) for step in record.steps)
    totals = columns((step.step, step.totals) for step in record.steps)
    found = []
    for phase, total in totals.items():
        names = [key for key in losses if key.startswith(f"{phase}.")]
        series = [{"label": key.removeprefix(f"{phase}."), **curve(*losses[key])} for key in names]
        if len(names) != 1 or _weighted(record, phase):
            # A sum of heavy terms would press all others to the bottom.
            hidden = _largest(total[1]) > DWARFS * max((_largest(losses[key][1]) for key in names), default=math.inf)
            series.append({"label": "weighted sum", "hidden": hidden, "colour": SUM, **curve(*total)})
        found.append(
            {"title": phase, "note": _note(record, phase), "smooth": True, "series": series, "unit": None, "log": False}
        )
    return {"title": "Losses", "charts": found}


def _largest(values: Sequence[float]) -> float:
    found = np.abs(np.asarray(values, dtype=np.float64))
    return float(found.max(initial=0.0, where=np.isfinite(found)))


def _weighted(record: Record, phase: str) -> bool:
    return any(loss.get("weight", 1.0) != 1.0 for loss in _tables(record.recipe, "phases", phase, "losses").values())


def _note(record: Record, phase: str) -> str:
    weights = [
        f"{name} × {loss['weight']:g}"
        for name, loss in _tables(record.recipe, "phases", phase, "losses").items()
        if isinstance(loss.get("weight"), int | float) and loss["weight"] != 1
    ]
    return "before weighting; in the sum: " + ", ".join(weights) if weights else ""


def _tables(data: Any, *path: str) -> Mapping[str, Mapping[str, Any]]:
    """The tables below a path of plain data; none where there is something else."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return {k: v for k, v in data.items() if isinstance(v, Mapping)} if isinstance(data, Mapping) else {}


def _metrics(record: Record) -> Mapping[str, Any]:
    names = list(dict.fromkeys(name for measured in record.measurements for name in measured.values))
    shown = [_metric(record, name) for name in names]
    return {"title": "Metrics", "charts": [chart for chart in shown if chart is not None]}


def _metric(record: Record, name: str) -> Mapping[str, Any] | None:
    """A chart of one metric; None where there are no two measurements to draw a line between."""
    measured = [m for m in record.measurements if name in m.values]
    results = columns((m.step, m.values[name]) for m in measured)
    steps, values = results.get("", NOTHING)
    if sum(map(math.isfinite, values)) < 2:
        return None
    headline: dict[str, Any] = {"label": "translated", "colour": 1, **curve(steps, values)}
    if "mean" not in headline and (band := _band(results.get("std", NOTHING), steps, values)) is not None:
        headline["low"], headline["high"] = band
    series = [headline]
    for place, (part, label) in enumerate(BASELINES.items()):
        if (line := _baseline(record, *results.get(part, NOTHING))) is not None:
            series.append({"label": label, "dash": True, "colour": 2 + place, **line})
    parts = [part for part in results if part and part not in (*BASELINES, *SPREADS)]
    series += [
        {"label": part, "hidden": True, "colour": 4 + i, **curve(*results[part])} for i, part in enumerate(parts)
    ]
    return {"title": name, "note": better_words(measured[-1], name), "smooth": False, "series": series, "unit": None}


def better_words(measured: Measurement, name: str) -> str:
    """ "lower is better", or nothing for a number that describes without judging."""
    better = measured.about[name].better if name in measured.about else None
    return f"{better} is better" if better else ""


def _band(
    errors: tuple[Sequence[int], Sequence[float]], steps: Sequence[int], values: Sequence[float]
) -> tuple[list[float | None], list[float | None]] | None:
    """The headline less and plus its standard error, point for point."""
    spread = dict(zip(*errors))
    pairs = [(value, spread.get(step, math.nan)) for step, value in zip(steps, values)]
    if not any(math.isfinite(error) for _, error in pairs):
        return None
    ends = [(value - error, value + error) for value, error in pairs]
    low, high = ([end if math.isfinite(end) else None for end in side] for side in zip(*ends))
    return low, high


def _baseline(record: Record, steps: Sequence[int], values: Sequence[float]) -> Mapping[str, Any] | None:
    """A baseline over the whole axis where it never changes, or where it was measured."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    if all(math.isclose(value, finite[0], rel_tol=1e-9) for value in finite):
        return curve([0, max(record.step, 1)], [finite[0], finite[0]])
    return curve(steps, values)


def _engine(record: Record) -> Mapping[str, Any]:
    steps = [step.step for step in record.steps]
    rates = columns((step.step, step.lr) for step in record.steps)
    found: list[Mapping[str, Any]] = []
    if rates:
        alike: dict[str, list[str]] = {}
        lines = {phase: curve(*rate) for phase, rate in rates.items()}
        for phase, line in lines.items():
            alike.setdefault(repr(line), []).append(phase)
        series = [{"label": ", ".join(names), **lines[names[0]]} for names in alike.values()]
        found.append({"title": "learning rate", "note": "", "smooth": False, "series": series, "unit": None})
    for title, note, unit, values in (
        ("images per second", "over all processes", None, [step.images_per_second for step in record.steps]),
        (
            "waiting for pictures",
            "% of the steps' time",
            None,
            [math.nan if step.data is None else 100 * step.data for step in record.steps],
        ),
        (
            "peak memory",
            "of the device; of the process on a CPU",
            "bytes",
            [float(step.memory) for step in record.steps],
        ),
    ):
        if any(value and not math.isnan(value) for value in values):
            series = [{"label": title, **curve(steps, values)}]
            smooth = unit is None
            found.append({"title": title, "note": note, "smooth": smooth, "zero": True, "series": series, "unit": unit})
    return {"title": "Speed, memory and learning rates", "charts": found}
