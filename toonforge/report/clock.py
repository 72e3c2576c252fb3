"""How long a run has trained by each step: the time of its starts together, without the pauses between them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from toonforge.runs.record import Record

POINTS = 1000
"""Of the time axis in a page: between them time goes on evenly."""


class Clock:
    """Training time of a run, from its log."""

    def __init__(self, record: Record) -> None:
        times = sorted(start.time for start in record.starts if math.isfinite(start.time))
        self.steps: list[int] = []
        self.seconds: list[float] = []
        events = [(event.step, event.time) for event in record.steps]
        events += [(event.step, event.time) for event in record.measurements]
        events += [(record.end.step, record.end.time)] if record.end is not None else []
        events = sorted((event for event in events if math.isfinite(event[1])), key=lambda event: event[1])
        session, offset, began = -1, 0.0, events[0][1] if events else 0.0
        for step, time in events:
            now = bisect_right(times, time) - 1
            if now != session:
                session, offset, began = now, self.total, times[now]
            self._add(step, offset + (time - began if time > began else 0.0))

    def _add(self, step: int, seconds: float) -> None:
        if self.seconds and seconds < self.seconds[-1]:
            seconds = self.seconds[-1]
        if self.steps and step <= self.steps[-1]:
            self.seconds[-1] = seconds
            return
        if not self.steps and step > 0:
            self.steps.append(0)
            self.seconds.append(0.0)
        self.steps.append(step)
        self.seconds.append(seconds)

    @property
    def total(self) -> float:
        """Seconds, as far as the log knows."""
        return self.seconds[-1] if self.seconds else 0.0

    def at(self, step: int) -> float:
        """Seconds by a step."""
        place = min(bisect_left(self.steps, step), len(self.steps) - 1)
        return self.seconds[place] if place >= 0 else 0.0

    def axis(self) -> tuple[Sequence[int], Sequence[float]]:
        """Steps and their seconds, thinned."""
        stride = max(1, -(-len(self.steps) // POINTS))
        places = list(range(0, len(self.steps), stride))
        if places and places[-1] != len(self.steps) - 1:
            places.append(len(self.steps) - 1)
        return [self.steps[i] for i in places], [round(self.seconds[i], 1) for i in places]
