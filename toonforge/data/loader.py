"""Batches of a training run: built from the order alone, so any step can be had without those before it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from toonforge.components import ImageSource
from toonforge.data.order import Draw, Order, steps_per_epoch
from toonforge.errors import DataError, Problem, UnreadableImage


@attrs.frozen
class Batch:
    """What one process gets of one step.

    Attributes:
        parts: one mapping from field to (count, channels, height, width) for each accumulated part.
        skipped: unreadable pictures that others stand in for: path -> reason.
    """

    parts: list[dict[str, Tensor]]
    skipped: dict[str, str]

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from where copies to a GPU need not be waited for."""
        return self._each(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; from page-locked memory, without waiting for the copy."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch([{key: change(value) for key, value in part.items()} for part in self.parts], self.skipped)


class TrainLoader:
    """The batches of steps `start_step` to `total_steps`, one `Batch` each.

    A step's samples are cut into `parts` first, and each part among the processes in order of rank: so one process
    and several see the same parts.

    Args:
        source: the data set's training part.
        seed: of order and augmentation.
        batch_size: samples in a step, over all processes and parts.
        start_step, total_steps: the first step, and the one after the last.
        rank, processes: which process this is, and of how many.
        parts: how many parts a batch is cut into.
        workers: processes that load pictures in the background, for as long as batches are asked for; 0 loads here,
            when asked for the next batch.
        pin_memory: hand out page-locked tensors; wants a GPU.

    Raises:
        DataError: where the batch cannot be cut evenly, a group is empty or, while iterating, wholly unreadable.
    """

    def __init__(
        self,
        source: ImageSource,
        *,
        seed: int,
        batch_size: int,
        start_step: int = 0,
        total_steps: int,
        rank: int = 0,
        processes: int = 1,
        parts: int = 1,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if batch_size % (parts * processes):
            raise DataError(
                Problem(
                    message="the batch cannot be cut evenly",
                    key="train.batch_size",
                    found=f"{batch_size} for {processes} processes and {parts} accumulated parts",
                    expected=f"a multiple of {parts * processes}",
                )
            )
        for group, size in source.sizes.items():
            if size < 1:
                raise DataError(Problem(message=f"the data set has no {group!r} pictures to train on"))
        self.steps = range(start_step, total_steps)
        self.steps_per_epoch = steps_per_epoch(source.sizes, batch_size)
        order = Order(source.sizes, batch_size, seed)
        # Workers hand their batches over through shared memory, from where a thread of the loader copies them.
        self._samples = _Steps(source, order, rank, processes, parts, pin_memory and not workers)
        self._workers, self._pin_memory = workers, pin_memory

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Batch]:
        here = map(self._samples.__getitem__, self.steps)
        for result in self._background() if self._workers and self.steps else here:
            if isinstance(result, DataError):
                raise result
            yield result

    def _background(self) -> Iterator[Batch | DataError]:
        return iter(
            DataLoader(
                self._samples,
                batch_size=None,
                sampler=self.steps,
                num_workers=self._workers,
                pin_memory=self._pin_memory,
                collate_fn=_as_is,
                worker_init_fn=_ignore_interrupts,
                # A generator of its own: otherwise starting the workers would advance torch's global random state.
                generator=torch.Generator(),
            )
        )


def _as_is(result: Any) -> Any:
    return result


def _ignore_interrupts(worker: int) -> None:
    """Signals to the whole group reach the workers too; only the training process decides when they end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class _Steps(Dataset["Batch | DataError"]):
    """Maps a step's number to its batch. Errors are returned, since a worker's own lose their fields on the way."""

    def __init__(
        self, source: ImageSource, order: Order, rank: int, processes: int, parts: int, pin_memory: bool
    ) -> None:
        self.source, self.order, self.pin_memory = source, order, pin_memory
        self.rank, self.parts = rank, parts
        self.share = order.batch_size // (parts * processes)
        self.stride = order.batch_size // parts
        self._unreadable: dict[tuple[str, int], UnreadableImage] = {}

    def __getitem__(self, step: int) -> Batch | DataError:
        first = step * self.order.batch_size + self.rank * self.share
        skipped: dict[str, str] = {}
        try:
            parts = [self._part(first + part * self.stride, skipped) for part in range(self.parts)]
        except DataError as error:
            return error
        return Batch(parts, skipped)

    def _part(self, first: int, skipped: dict[str, str]) -> dict[str, Tensor]:
        """Samples from number `first` on; each is copied to its place while it still lies in the processor's cache."""
        # Generators are made all before the first picture is decoded: in between they take twice the time.
        drawn = [
            [(group, number, draw, draw.generator()) for group, draw in self.order.draws(number).items()]
            for number in range(first, first + self.share)
        ]
        batch: dict[str, Tensor] = {}
        for at, sample in enumerate(drawn):
            for group, number, draw, rng in sample:
                item = self._item(group, draw.index, rng, skipped)
                if item is None:
                    item = self._instead(group, number, draw, skipped)
                for key, value in item.items():
                    if at == 0:
                        batch[key] = _room(value, self.share, self.pin_memory)
                    _put(value, batch[key], at)
        return batch

    def _item(
        self, group: str, index: int, rng: np.random.Generator, skipped: dict[str, str]
    ) -> Mapping[str, Tensor] | None:
        """The item, or None for one that is unreadable: now, or when it was tried before."""
        error = self._unreadable.get((group, index))
        if error is None:
            try:
                return self.source.item(group, index, rng)
            except UnreadableImage as unreadable:
                error = self._unreadable[group, index] = unreadable
        skipped[error.path] = error.reason
        return None

    def _instead(self, group: str, number: int, draw: Draw, skipped: dict[str, str]) -> Mapping[str, Tensor]:
        """The next readable item, in the place of one that is not."""
        for index in self.order.replacements(group, number):
            item = self._item(group, index, draw.generator(), skipped)
            if item is not None:
                return item
        raise self._none_left(group, skipped)

    def _none_left(self, group: str, skipped: Mapping[str, str]) -> DataError:
        path, reason = next(iter(skipped.items()))
        return DataError(
            Problem(
                message=f"no readable picture is left among {group!r}",
                found=f"{self.order.sizes[group]} that cannot be read; the first: {path}: {reason}",
                expected="at least one",
            )
        )


def _room(first: Tensor, count: int, pin_memory: bool) -> Tensor:
    """Memory for `count` tensors like the first; colours that lie together, as decoders leave them, stay so."""
    together = first.dim() == 3 and first.stride(0) == 1
    return torch.empty(
        (count, *first.shape),
        dtype=first.dtype,
        memory_format=torch.channels_last if together else torch.contiguous_format,
        pin_memory=pin_memory,
    )


def _put(value: Tensor, batch: Tensor, at: int) -> None:
    place = batch.select(0, at)
    if value.shape != place.shape:  # copying would repeat what is too small
        raise ValueError(f"the data set yields {tuple(value.shape)} and {tuple(place.shape)} for one field")
    place.copy_(value)
