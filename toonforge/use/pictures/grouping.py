"""Which pictures are computed at once: those of one size, as many as suit the device, in an order that hangs on the
pictures alone and not on what is read or computed first, so that a repetition gives the same files.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

PIXELS = {"cpu": 2**17, "cuda": 2**22}
"""Of the pictures in one batch, by the kind of device: larger batches are not quicker."""
MOST = 32
"""Pictures in one batch."""


def batch_for(device: str, height: int, width: int) -> int:
    """How many pictures of a size are computed at once where nothing else is asked for.

    Args:
        device: "cpu", "cuda", …
    """
    return max(1, min(MOST, PIXELS.get(device, PIXELS["cuda"]) // (height * width)))


class Grouping(Generic[T]):
    """Collects pictures into batches of one size.

    Args:
        device: the kind of device that computes them.
        batch: pictures at once; None for as many as suit their size.
        held: pictures that wait for others of their size at most.
        pixels: of such pictures, at most.
    """

    def __init__(self, device: str, batch: int | None, held: int, pixels: int) -> None:
        self._device, self._batch, self._held, self._pixels = device, batch, held, pixels
        self._groups: OrderedDict[tuple[int, int, object], list[T]] = OrderedDict()
        self._count = self._size = 0

    def add(self, item: T, height: int, width: int, kind: object = None) -> list[list[T]]:
        """Take one more picture; returns the batches that are to be computed now.

        Args:
            kind: what else the pictures of a batch must share.
        """
        key = (height, width, kind)
        group = self._groups.setdefault(key, [])
        group.append(item)
        self._count, self._size = self._count + 1, self._size + height * width
        batches = []
        if len(group) >= (self._batch or batch_for(self._device, height, width)):
            batches.append(self._take(key))
        while self._count > self._held or (self._count and self._size > self._pixels):
            batches.append(self._take(next(iter(self._groups))))
        return batches

    def rest(self) -> list[list[T]]:
        """What waits, when nothing more comes."""
        return [self._take(key) for key in list(self._groups)]

    def _take(self, key: tuple[int, int, object]) -> list[T]:
        group = self._groups.pop(key)
        self._count, self._size = self._count - len(group), self._size - len(group) * key[0] * key[1]
        return group
