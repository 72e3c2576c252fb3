"""Metrics and losses over the training of several runs: `curves.csv`, `losses.csv`, and the charts of the page."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from toonforge.cells import cell
from toonforge.report.clock import Clock
from toonforge.report.compare_metrics import REFERENCES, Level, Metric, references
from toonforge.report.compared import Compared
from toonforge.report.curves import axis
from toonforge.report.thinning import curve as thinned
from toonforge.report.thinning import rounded
from toonforge.runs.record import Record

COLOURS = 8
"""Runs beyond so many share colours and are dashed."""
ALONE = "Losses that only one run has"
"""The title of their charts, which compare.js folds away."""


@attrs.frozen(kw_only=True)
class Curve:
    """One metric or loss of one run.

    Attributes:
        kind: "metric" or "loss".
        name: "kid", "kid.part" or "phase.loss".
        run: whose.
        steps, values: its points; nan where there was no number.
        errors: standard errors where the metric gives them, else nan.
        epoch: steps of an epoch; None where the log does not say.
    """

    kind: str
    name: str
    run: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    epoch: int | None

    @property
    def epochs(self) -> tuple[float, ...] | None:
        """Its points in epochs."""
        return None if self.epoch is None else tuple(step / self.epoch for step in self.steps)


def curves_of(runs: Sequence[Compared]) -> list[Curve]:
    """Every metric (headline and parts), then every loss, of every run that has it."""
    metrics: dict[str, list[Curve]] = {}
    losses: dict[str, list[Curve]] = {}
    for run in runs:
        if run.record is None:
            continue
        found: dict[str, list[tuple[int, float, float]]] = {}
        for measured in run.measured:
            for metric, parts in measured.values.items():
                for part, value in parts.items():
                    error = parts.get(f"{part}_std" if part else "std", math.nan)
                    found.setdefault(f"{metric}.{part}" if part else metric, []).append((measured.step, value, error))
        for name, points in found.items():
            metrics.setdefault(name, []).append(_curve("metric", name, run.name, points, run.record))
        logged: dict[str, list[tuple[int, float, float]]] = {}
        for step in run.record.steps:
            for name, value in step.losses.items():
                logged.setdefault(name, []).append((step.step, value, math.nan))
        for name, points in logged.items():
            losses.setdefault(name, []).append(_curve("loss", name, run.name, points, run.record))
    return [curve for table in (metrics, losses) for group in table.values() for curve in group]


def _curve(kind: str, name: str, run: str, points: Sequence[tuple[int, float, float]], record: Record) -> Curve:
    steps, values, errors = zip(*points)
    length = record.starts[-1].steps_per_epoch if record.starts else 0
    return Curve(kind=kind, name=name, run=run, steps=steps, values=values, errors=errors, epoch=length or None)


def comma_separated(curves: Sequence[Curve]) -> str:
    """One line a point: run, step, epoch, metric (or loss), value; numbers in full."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["run", "step", "epoch", "loss" if curves and curves[0].kind == "loss" else "metric", "value"])
    for curve in curves:
        epochs = [f"{epoch:.6g}" for epoch in curve.epochs] if curve.epochs is not None else [""] * len(curve.steps)
        writer.writerows(
            zip([cell(curve.run)] * len(epochs), curve.steps, epochs, [curve.name] * len(epochs), curve.values)
        )
    return stream.getvalue()


def by_epoch(curves: Sequence[Curve]) -> bool:
    """Whether epochs are the better x: runs of other batch sizes take other numbers of steps for the same epochs."""
    known = [curve.epochs for curve in curves]
    return all(known) and max((epochs[-1] for epochs in known if epochs), default=0) >= 2


def charts(runs: Sequence[Compared], metrics: Sequence[Metric], curves: Sequence[Curve]) -> Mapping[str, Any]:
    """What `charts.js` draws: a chart a metric and a loss, in each a line a run."""
    there = [run for run in runs if run.record is not None]
    place = {run.name: at for at, run in enumerate(there)}
    named = {metric.name: metric for metric in metrics}
    groups: dict[str, dict[str, Any]] = {"metric": {}, "loss": {}}
    for curve in curves:
        metric, _, part = curve.name.partition(".")
        if curve.kind == "metric" and part and part not in named[metric].parts:
            continue
        chart = groups[curve.kind].setdefault(curve.name, _chart(curve, named.get(metric)))
        chart["series"].append(_series(curve, place[curve.run]))
    for name, found in references(metrics, REFERENCES[0]).items():
        if name in groups["metric"] and len(found) == 1:
            groups["metric"][name]["series"].append(_level(found[0], groups["metric"][name]["series"], len(there)))
    titles = {"metric": "Metrics", "loss": "Losses", "alone": ALONE}
    alone = alone_in(curves)
    groups["alone"] = {name: groups["loss"].pop(name) for name in [*groups["loss"]] if name in alone}
    return {
        "axes": [axis(run.record, Clock(run.record)) for run in there if run.record is not None],
        "x": "epochs" if by_epoch(curves) else "steps",
        "folded": ALONE,
        "groups": [{"title": titles[kind], "charts": [*found.values()]} for kind, found in groups.items() if found],
    }


def alone_in(curves: Sequence[Curve]) -> frozenset[str]:
    """Losses that a single run has: there is nothing to compare in them."""
    losses = Counter(curve.name for curve in curves if curve.kind == "loss")
    return frozenset(name for name, runs in losses.items() if runs == 1)


def _chart(curve: Curve, metric: Metric | None) -> dict[str, Any]:
    notes = []
    if curve.kind == "metric" and metric is not None and "." not in curve.name:
        notes += [f"{metric.better} is better"] if metric.better else []
        notes += [f"{metric.apart}: the values do not compare"] if metric.apart else []
    return {"title": curve.name, "note": "; ".join(notes), "smooth": curve.kind == "loss", "series": []}


def _series(curve: Curve, place: int) -> dict[str, Any]:
    series = {"label": curve.run, **thinned(curve.steps, curve.values), "axis": place, "colour": place % COLOURS + 1}
    if any(map(math.isfinite, curve.errors)) and len(series["x"]) == len(curve.steps):
        for key, sign in (("low", -1), ("high", 1)):
            series[key] = rounded([value + sign * error for value, error in zip(curve.values, curve.errors)])
    return series | ({"dash": True} if place >= COLOURS else {})


def _level(level: Level, series: Sequence[Mapping[str, Any]], runs: int) -> dict[str, Any]:
    """What the untranslated pictures have, as a line as long as the longest run's, within its standard error."""
    longest = max(series, key=lambda one: one["x"][-1])
    ends = [longest["x"][0], longest["x"][-1]]
    flat = {"x": ends, "y": rounded([level.value] * 2), "axis": longest["axis"], "dash": True}
    if math.isfinite(level.error):
        flat |= {"low": rounded([level.value - level.error] * 2), "high": rounded([level.value + level.error] * 2)}
    return {"label": REFERENCES[0], **flat, "colour": COLOURS if runs < COLOURS else runs % COLOURS + 1}
