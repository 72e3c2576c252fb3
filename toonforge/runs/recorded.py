"""What a run's folder tells of it, as plain data; `toonforge.runs.record` reads it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from toonforge.events import About, Best, Warned


@attrs.frozen(kw_only=True)
class PhaseSpan:
    """A phase of a run in steps: active where start <= step < stop, at every `every`-th step."""

    name: str
    start: int
    stop: int
    every: int
    updates: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Start:
    """One start of a run, the first or a resumed one.

    Attributes:
        step: steps that were done already.
        time: seconds since 1970.
        total_steps, steps_per_epoch, batch_size: of the run.
        phases: in order.
        parameters: network -> how many.
        device, processes: where.
        averaged: the decay of the generators' moving average, if there is one: samples and metrics are made with it.
        notes: what the user was told of how it began.
        speed: "auto", "safe" or "listed", as the recipe asks; empty where the log does not say.
        tricks: of speed that its steps are computed with; None where the log does not say.
        unused: the other tricks -> why not.
    """

    step: int
    time: float
    total_steps: int
    steps_per_epoch: int
    batch_size: int
    phases: tuple[PhaseSpan, ...]
    parameters: Mapping[str, int]
    device: str
    processes: int
    averaged: float | None
    notes: tuple[str, ...]
    speed: str = ""
    tricks: tuple[str, ...] | None = None
    unused: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Logged:
    """One logged step: see `toonforge.events.Step`. A loss that was not finite is nan; older logs lack `data`."""

    step: int
    time: float
    losses: Mapping[str, float]
    totals: Mapping[str, float]
    lr: Mapping[str, float]
    images_per_second: float
    memory: int
    data: float | None = None


@attrs.frozen(kw_only=True)
class Measurement:
    """The metrics at one step.

    Attributes:
        values: metric -> part ("" is the headline) -> value; nan where it could not be had.
        about: metric -> how it was made.
        pictures: metric -> the picture it drew, relative to the run's folder.
        complete: False where pictures are missing that may be read the next time: no number to be the best.
    """

    step: int
    time: float
    values: Mapping[str, Mapping[str, float]]
    about: Mapping[str, About]
    pictures: Mapping[str, str]
    complete: bool = True


@attrs.frozen(kw_only=True)
class Sample:
    """A validation grid: its picture, and the folder of its strips, both relative to the run's folder."""

    step: int
    grid: str
    strips: str


@attrs.frozen(kw_only=True)
class Warning:
    """Something that looked wrong, from a step until another one; `until` is None while it lasts."""

    warned: Warned
    until: int | None


@attrs.frozen(kw_only=True)
class End:
    """How the last start ended.

    Attributes:
        reason: "done", "interrupted", "no-improvement" or "failed".
        message: why it failed.
        seconds: wall time of that start.
    """

    step: int
    time: float
    reason: str
    message: str | None
    seconds: float


@attrs.frozen(kw_only=True)
class Record:
    """All that a run's folder says.

    Attributes:
        folder: where it lies.
        name: the recipe's.
        recipe: resolved.toml as plain data.
        lock: lock.json as plain data; empty where there is none.
        starts, steps, measurements, samples, warnings: in order.
        checkpoints: steps at which one was written, whether or not it is still there.
        best: where the recipe asks for the best checkpoint to be kept.
        changes: what resumes changed: (step, words).
        skipped: unreadable pictures: path -> reason.
        retried: pictures that were read at a later try -> how often that was so.
        waited: seconds of each long wait for pictures.
        end: None while it runs, or after a crash.
        unread: lines of the log that are no event, or not as documented.
    """

    folder: Path
    name: str
    recipe: Mapping[str, Any]
    lock: Mapping[str, Any]
    starts: tuple[Start, ...]
    steps: tuple[Logged, ...]
    measurements: tuple[Measurement, ...]
    samples: tuple[Sample, ...]
    warnings: tuple[Warning, ...]
    checkpoints: tuple[int, ...]
    best: Best | None
    changes: tuple[tuple[int, str], ...]
    skipped: Mapping[str, str]
    end: End | None
    unread: int = 0
    retried: Mapping[str, int] = attrs.field(factory=dict)
    waited: tuple[float, ...] = ()

    @property
    def step(self) -> int:
        """Steps done, as far as the log knows."""
        known = [s.step for s in self.starts] + [s.step for s in self.steps] + [m.step for m in self.measurements]
        return max([0, *known, *self.checkpoints, self.end.step if self.end is not None else 0])

    @property
    def state(self) -> str:
        """ "finished", "failed", "stopped" before its end, or "unfinished": it runs still, or was killed."""
        if self.end is None:
            return "unfinished"
        return {"done": "finished", "no-improvement": "finished", "failed": "failed"}.get(self.end.reason, "stopped")

    @property
    def total_steps(self) -> int | None:
        """At which step the run ends; None where the log does not say."""
        return self.starts[-1].total_steps if self.starts else None

    def epoch(self, step: int) -> float | None:
        """How many epochs so many steps are; None where the log does not say how long one is."""
        length = self.starts[-1].steps_per_epoch if self.starts else 0
        return step / length if length > 0 else None

    @property
    def images_per_second(self) -> float | None:
        """The median of the logged ones; the first is slow and left out where there are others."""
        rates = [logged.images_per_second for logged in self.steps if logged.images_per_second > 0]
        return statistics.median(rates[1:] or rates) if rates else None

    @property
    def data(self) -> float | None:
        """The median of the logged shares of time that steps waited for pictures, without the first, as above."""
        shares = [logged.data for logged in self.steps if logged.data is not None]
        return statistics.median(shares[1:] or shares) if shares else None

    @property
    def memory(self) -> int | None:
        """Peak bytes."""
        return max((logged.memory for logged in self.steps), default=0) or None
