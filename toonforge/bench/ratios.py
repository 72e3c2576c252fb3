"""Times of turns as people read them: the median, how far they spread, and how two programs compare turn by turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import attrs

CHANCE = 1 / 16
"""How likely the turns may fall so by chance alone for a difference to be called one: five turns of five."""
LEAST = 0.01
"""A difference of less than this share is called none, however sure it is."""


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
    def sure(self) -> bool:
        """Whether so many turns agree that chance hardly explains it (a sign test), and it is worth a word."""
        below = sum(value < 1 for value in self.values)
        count = len(self.values)
        fewer = min(below, sum(value > 1 for value in self.values))
        tail = sum(math.comb(count, k) for k in range(fewer + 1)) / 2**count
        return 2 * tail <= CHANCE and abs(self.median - 1) >= LEAST

    @property
    def faster(self) -> bool:
        """Surely faster."""
        return self.sure and self.median < 1

    @property
    def slower(self) -> bool:
        """Surely slower."""
        return self.sure and self.median > 1
