"""What a run's own log says of it: the one source of every number in a comparison, also after a crash."""

from __future__ import annotations

import json
import math
import statistics
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from toonforge.sweeps.plan import PlannedRun


@attrs.frozen(kw_only=True)
class Row:
    """One run of a sweep, as a comparison shows it.

    Attributes:
        name: of the run, and of its folder.
        values: label of each axis -> the run's value.
        state: "finished", "failed", "started" (stopped before its end) or "waiting".
        problem: why it failed.
        step: steps done.
        metrics: "metric" and "metric.part" -> value, of the last measurement; nan where it could not be had.
        images_per_second: the median of the logged ones.
        seconds: it took.
        memory: peak bytes.
        folder: where it lies.
    """

    name: str
    values: Mapping[str, str]
    state: str
    problem: str | None = None
    step: int = 0
    metrics: Mapping[str, float] = attrs.field(factory=dict)
    images_per_second: float | None = None
    seconds: float | None = None
    memory: int | None = None
    folder: Path


@attrs.frozen(kw_only=True)
class Point:
    """One metric of one run at one step."""

    run: str
    step: int
    epoch: float
    metric: str
    value: float


def events(folder: Path) -> Iterator[Mapping[str, Any]]:
    """The events in a run's log; a line that a crash cut short is left out."""
    try:
        text = (folder / "metrics.jsonl").read_text("utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def state_of(folder: Path) -> str:
    """ "finished", "started" or "waiting", by what lies in the run's folder."""
    last = deque(events(folder), maxlen=1)
    if last and last[0].get("event") == "end" and last[0].get("reason") == "done":
        return "finished"
    return "started" if (folder / "resolved.toml").is_file() else "waiting"


def read_row(run: PlannedRun, folder: Path, problem: str | None = None) -> Row:
    """A run's row. `problem`: why its last start failed, if it did."""
    step, training, took, memory = 0, 0.0, 0.0, 0
    rates: list[float] = []
    metrics: dict[str, float] = {}
    state = state_of(folder)
    for event in events(folder):
        kind, now = event.get("event"), event.get("step", 0)
        if kind == "step":
            rates.append(max(event.get("images_per_second") or 0.0, 0.01))
            training += (now - step) * run.recipe.train.batch_size / rates[-1]
            step = now
            memory = max(memory, event.get("memory") or 0)
        elif kind == "metrics":
            metrics = _numbers(event)
        elif kind == "end":
            step, took = now, event.get("seconds") or 0.0
    return Row(
        name=run.name,
        values=run.values,
        state="failed" if problem is not None and state != "finished" else state,
        problem=problem if state != "finished" else None,
        step=step,
        metrics=metrics if state == "finished" else {},
        # The first is slow, and so is one that saving or measuring came between.
        images_per_second=statistics.median(rates[1:] or rates) if rates else None,
        # A continued run's log keeps the seconds of its last start only; its steps tell the whole.
        seconds=max(took, training) or None,
        memory=memory or None,
        folder=folder,
    )


def read_points(run: PlannedRun, folder: Path) -> list[Point]:
    """Every measurement of a run, in order."""
    return [
        Point(run=run.name, step=event["step"], epoch=event["step"] / run.steps_per_epoch, metric=name, value=value)
        for event in events(folder)
        if event.get("event") == "metrics"
        for name, value in _numbers(event).items()
    ]


def _numbers(event: Mapping[str, Any]) -> dict[str, float]:
    """A measurement; the log's null is a number that JSON does not know."""
    return {name: math.nan if value is None else float(value) for name, value in event["metrics"].items()}
