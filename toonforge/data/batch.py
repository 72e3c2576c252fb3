"""A batch of one training step: its tensors, and what happened to the pictures that it was made of."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from toonforge.data.reading.again import Retried

Bytes = npt.NDArray[np.uint8]

SIZES = 8
"""Sizes of blocks that are kept: fields of a batch mostly have one or two."""


@attrs.frozen
class Batch:
    """What one process gets of one step.

    Attributes:
        parts: one mapping from field to (count, channels, height, width) for each accumulated part.
        skipped: unreadable pictures that others stand in for: path -> reason.
        passing: those of them with which nothing is known to be wrong, and which are tried again when they come next.
        retried: pictures that were read at a later try.
    """

    parts: list[dict[str, Tensor]]
    skipped: dict[str, str] = attrs.field(factory=dict)
    passing: set[str] = attrs.field(factory=set)
    retried: dict[str, Retried] = attrs.field(factory=dict)

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from where copies to a GPU need not be waited for."""
        return self._each(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; from page-locked memory, without waiting for the copy.

        Other memory may be written to as soon as the batch is dropped, while a device would still copy from it.
        """
        return self._each(lambda value: value.to(device, non_blocking=value.is_pinned()))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return attrs.evolve(self, parts=[{key: change(value) for key, value in part.items()} for part in self.parts])


class Rooms:
    """Memory for batches, used again once nobody holds the batch that was in it, or any part of that.

    New memory costs more than what is written to it: the system hands it out page by page, which takes longer than
    copying a kept picture. (Page-locked memory is used again by torch's own allocator of it.)
    """

    def __init__(self) -> None:
        # Size -> its blocks; the sizes in the order in which they were last asked for.
        self._blocks: dict[int, list[tuple[Bytes, weakref.ref[Bytes]]]] = {}

    def room(self, first: Tensor, count: int, pin_memory: bool) -> Tensor:
        """Memory for `count` tensors like the first; colours that lie together, as decoders leave them, stay so."""
        together = first.dim() == 3 and first.stride(0) == 1
        shape = (count, *(first.permute(1, 2, 0).shape if together else first.shape))
        size = math.prod(shape) * first.element_size()
        if pin_memory or not size:  # no bytes cannot be viewed as numbers
            batch = torch.empty(shape, dtype=first.dtype, pin_memory=pin_memory)
        else:
            batch = torch.from_numpy(self._block(size)).view(first.dtype).view(shape)
        return batch.permute(0, 3, 1, 2) if together else batch

    def _block(self, size: int) -> Bytes:
        """So many bytes that nobody holds."""
        blocks = self._blocks.pop(size, [])
        free = next((at for at, (_, held) in enumerate(blocks) if held() is None), None)
        whole = np.empty(size, np.uint8) if free is None else blocks.pop(free)[0]
        handed = whole[:]  # lives as long as any tensor made of it
        self._blocks[size] = [*blocks, (whole, weakref.ref(handed))]
        if len(self._blocks) > SIZES:
            del self._blocks[next(iter(self._blocks))]  # those who hold a part of it keep it
        return handed


def put(value: Tensor, batch: Tensor, at: int) -> None:
    """Copy one item to its place in a batch."""
    place = batch.select(0, at)
    if value.shape != place.shape:  # copying would repeat what is too small
        raise ValueError(f"the data set yields {tuple(value.shape)} and {tuple(place.shape)} for one field")
    place.copy_(value)
