"""How far a measurement is, in pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Steps:
    """Tells how far a measurement is.

    Args:
        told: (pictures done, pictures there are) after each batch, if anyone listens.
        counts: pictures of each pass.
    """

    def __init__(self, told: Callable[[int, int], None] | None, counts: Sequence[int]) -> None:
        self.told, self.total, self.count = told, sum(counts), 0

    def done(self, count: int) -> None:
        """So many more pictures are done."""
        self.count += count
        if self.told is not None:
            self.told(self.count, self.total)

    def over(self) -> None:
        """Nothing is left: pictures that could not be read were not counted."""
        if self.told is not None and self.count < self.total:
            self.told(self.total, self.total)
