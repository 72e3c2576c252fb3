"""Times of turns as people read them: the median, how far they spread, and how two programs compare turn by turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import attrs

CHANCE = 1 / 16
"""How likely the turns may fall so by chance alone for a difference to be called one: five turns of five."""
FEWEST = 5
"""Turns of which a sign test can say anything."""
LEAST = 0.01
"""A difference of less than this share is called none, however sure it is."""
BUSY = 0.1
"""A spread of the turns from which on the machine was busy, and no smaller difference is told."""


@attrs.frozen
class Times:
    """Seconds a step, one number for each turn."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    @property
    def least(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def spread(self) -> float:
        """Half the way from the smallest to the largest, as a share of the median."""
        return (max(self.values) - min(self.values)) / 2 / self.median


@attrs.frozen
class Ratio:
    """One program's times over another's, of turns side by side: what slows both down falls out."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, times: Sequence[float], others: Sequence[float]) -> Ratio:
        """The ratios of turns of the same number."""
        return cls(tuple(one / other for one, other in zip(times, others, strict=True)))

    @property
    def median(self) -> float:
        """The middle one; below 1 is faster."""
        return median(self.values)

    @property
    def low(self) -> float:
        """The smallest."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest."""
        return max(self.values)

    @property
    def chance(self) -> float:
        """How likely turns of two equal programs would agree so far: a sign test of both sides."""
        below = sum(value < 1 for value in self.values)
        count = len(self.values)
        fewer = min(below, sum(value > 1 for value in self.values))
        tail: int = sum(math.comb(count, k) for k in range(fewer + 1))
        return min(1.0, math.ldexp(tail, 1 - count))


def told_apart(ratios: Sequence[Ratio]) -> list[bool]:
    """Which of several comparisons chance hardly explains (Holm): that any is wrong is as unlikely as `CHANCE`."""
    found = [False] * len(ratios)
    order = sorted(range(len(ratios)), key=lambda index: ratios[index].chance)
    for left, index in zip(range(len(ratios), 0, -1), order, strict=True):
        if ratios[index].chance > CHANCE / left:
            break
        found[index] = True
    return found


def turns_for(rows: int) -> int:
    """The fewest turns that can tell each of so many rows apart, where all of its turns agree."""
    return FEWEST + math.ceil(math.log2(max(1, rows)))
