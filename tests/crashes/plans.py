"""When a training is killed: at random instants, spread over all that it does, and at each operation on its disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import attrs

from tests.crashes.disk import Operation, operations
from tests.crashes.doing import ACTIVITIES, Page
from tests.crashes.killing import Anytime, At, Kill, Within
from tests.crashes.trial import Case

OF_ALL_INSTANTS = 0.3
"""Share of kills at any instant; the others are within one activity, which else might never be met."""


@attrs.frozen
class Timing:
    """How long a start takes, and of each activity how often and how long it happens, in seconds."""

    seconds: float
    activities: dict[str, tuple[int, float]]

    @classmethod
    def of(cls, page: Page, seconds: float) -> Timing:
        known = {name: (page.seen(name), page.took(name)) for name in ACTIVITIES if page.seen(name)}
        return cls(seconds, known)

    def draw(self, rng: Random) -> Kill:
        """A time to be killed at."""
        if rng.random() < OF_ALL_INSTANTS:
            return Anytime(rng.uniform(0, self.seconds))
        activity = rng.choice(sorted(self.activities))
        count, took = self.activities[activity]
        return Within(activity, rng.randint(1, count), rng.uniform(0, 1.1 * took))


def measured(case: Case, pages: Sequence[Page]) -> tuple[Timing, Timing]:
    """The timing of a run that begins, and of one that resumes half-way."""
    import time

    def once(kill: Kill | None = None) -> Timing:
        began = time.monotonic()
        case.once(pages, kill)
        return Timing.of(pages[0], time.monotonic() - began)

    case.clear()
    whole = once()
    half = At(pages[0].operations // 2)
    case.clear()
    once(half)
    return whole, once()


def several(timings: tuple[Timing, Timing], rng: Random, most: int = 3) -> list[Kill]:
    """One kill of a run that begins, and up to `most - 1` of its resumes."""
    first, resumed = timings
    return [first.draw(rng), *(resumed.draw(rng) for _ in range(rng.randrange(most)))]


def everywhere(listing: Path) -> list[tuple[At, Operation]]:
    """A kill before each operation of a start, and one half-way in each that can be half done."""
    found = []
    for number, operation in enumerate(operations(listing), 1):
        found.append((At(number), operation))
        if operation.tears:
            found.append((At(number, torn=True), operation))
    return found


@attrs.frozen
class Harm:
    """What a disk, or a person, may do to a file of the newest checkpoint: with one chance in two or always, where there
    is an older one."""

    rng: Random
    always: bool = False

    def __call__(self, folder: Path) -> bool:
        checkpoints = sorted((folder / "checkpoints").glob("step-*"))
        if len(checkpoints) < 2 or not (self.always or self.rng.random() < 0.5):
            return False
        path = self.rng.choice(sorted(checkpoints[-1].iterdir()))
        data = bytearray(path.read_bytes())
        at = self.rng.randrange(len(data))
        kind = self.rng.choice(["cut", "flipped", "foreign", "gone"])
        if kind == "gone":
            path.unlink()
        else:
            flipped = data[:at] + bytes([data[at] ^ (1 << self.rng.randrange(8))]) + data[at + 1 :]
            path.write_bytes({"cut": data[:at], "flipped": flipped, "foreign": b"PK\x03\x04 something else"}[kind])
        return True
