"""Batches on the device: each is copied there while the step before it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import attrs
import torch

from toonforge.data.batch import Batch
from toonforge.errors import DataError


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches, on the device. On a GPU each is on its way while the one before it is used.

    Args:
        batches: in page-locked memory (`TrainLoader(pin_memory=True)`), without which a copy is waited for.
        device: where they are wanted.
    """
    if device.type != "cuda":
        return (batch.to(device) for batch in batches)
    return one_ahead(batches, CudaCopies(device))


@attrs.frozen
class Copy:
    """A batch on its way: where it will be, and what to wait for."""

    batch: Batch
    done: torch.cuda.Event


class Copies(Protocol):
    """How batches get to a device beside the computation."""

    def begin(self, batch: Batch) -> Copy:
        """Start copying, and come back at once."""

    def finish(self, copy: Copy) -> Batch:
        """The batch, for use by whatever is computed after this call."""


def one_ahead(batches: Iterable[Batch], copies: Copies) -> Iterator[Batch]:
    """The batches in their order; before one is handed out, the copy of the next has begun.

    An error while the next is loaded is raised in its turn, after the one before it was used.
    """
    iterator = iter(batches)
    current = _begun(iterator, copies)
    while current is not None:
        if isinstance(current, DataError):
            raise current
        following = _begun(iterator, copies)
        yield copies.finish(current)
        current = following


def _begun(iterator: Iterator[Batch], copies: Copies) -> Copy | DataError | None:
    try:
        batch = next(iterator, None)
    except DataError as error:
        return error
    return None if batch is None else copies.begin(batch)


class CudaCopies:
    """Copies on a CUDA stream of their own.

    Two things could go wrong between streams, and each has its line. The computation could begin before the copy is
    done: it waits for the copy's event, not for the whole stream, on which the next copy is already waiting. And a
    batch that Python has dropped could be overwritten while the computation, which runs behind, still reads it: its
    memory belongs to the copying stream, where the allocator would hand it out again at once. `record_stream` tells
    it that the computing stream uses the memory too, so it waits for what that had queued when the batch was dropped.
    Page-locked memory looks after itself: its allocator waits for the copies from it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin(self, batch: Batch) -> Copy:
        """See `Copies`."""
        with torch.cuda.stream(self.stream):
            there = batch.to(self.device)
            return Copy(there, self.stream.record_event())

    def finish(self, copy: Copy) -> Batch:
        """See `Copies`."""
        computing = torch.cuda.current_stream(self.device)
        computing.wait_event(copy.done)
        for part in copy.batch.parts:
            for value in part.values():
                value.record_stream(computing)
        return copy.batch
