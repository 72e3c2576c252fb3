"""How fast a training is: pictures a second of its steps, without the time of what is no step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """A stopwatch that begins when it is made, after `step` steps of `pictures` each."""

    def __init__(self, step: int, pictures: int) -> None:
        self._pictures = pictures
        self._step, self._then = step, time.perf_counter()

    def since(self, step: int) -> float:
        """Pictures a second since the last time this was asked, or since the beginning."""
        now = time.perf_counter()
        speed = (step - self._step) * self._pictures / max(now - self._then, 1e-9)
        self._step, self._then = step, now
        return speed

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done within it takes no time."""
        began = time.perf_counter()
        yield
        self._then += time.perf_counter() - began
