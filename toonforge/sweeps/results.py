"""What came of each run of a sweep, by what lies in its folder: also after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from toonforge.report.compared import Compared
from toonforge.runs.described import is_run
from toonforge.runs.record import read_record
from toonforge.sweeps.plan import PlannedRun


@attrs.frozen(kw_only=True)
class Row:
    """One run of a sweep.

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


def read_run(run: PlannedRun, folder: Path, problem: str | None = None) -> Compared:
    """A run as a comparison takes it. `problem`: why its last start failed, if it did."""
    record = read_record(folder) if is_run(folder) else None
    return Compared(name=run.name, folder=folder, record=record, values=run.values, problem=problem)


def state_of(folder: Path) -> str:
    """ "finished", "started" or "waiting", by what lies in the run's folder."""
    if not is_run(folder):
        return "waiting"
    return "finished" if read_record(folder).state == "finished" else "started"


def read_row(run: Compared) -> Row:
    """A run's row."""
    record, done = run.record, run.state == "finished"
    last = run.measured[-1].values if done and run.measured else {}
    known = {"finished": "finished", "failed": "failed", "waiting": "waiting"}
    return Row(
        name=run.name,
        values=run.values,
        state=known.get(run.state, "started"),
        problem=run.why,
        step=record.step if record is not None else 0,
        metrics={
            ".".join(filter(None, (m, part))): value for m, parts in last.items() for part, value in parts.items()
        },
        images_per_second=record.images_per_second if record is not None else None,
        seconds=run.seconds,
        memory=record.memory if record is not None else None,
        folder=run.folder,
    )
