"""A batch of one training step: its tensors, and what happened to the pictures that it was made of."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import torch
from torch import Tensor

from toonforge.data.reading.again import Retried


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
        """The same batch on a device; from page-locked memory, without waiting for the copy."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return attrs.evolve(self, parts=[{key: change(value) for key, value in part.items()} for part in self.parts])


def room(first: Tensor, count: int, pin_memory: bool) -> Tensor:
    """Memory for `count` tensors like the first; colours that lie together, as decoders leave them, stay so."""
    together = first.dim() == 3 and first.stride(0) == 1
    return torch.empty(
        (count, *first.shape),
        dtype=first.dtype,
        memory_format=torch.channels_last if together else torch.contiguous_format,
        pin_memory=pin_memory,
    )


def put(value: Tensor, batch: Tensor, at: int) -> None:
    """Copy one item to its place in a batch."""
    place = batch.select(0, at)
    if value.shape != place.shape:  # copying would repeat what is too small
        raise ValueError(f"the data set yields {tuple(value.shape)} and {tuple(place.shape)} for one field")
    place.copy_(value)
