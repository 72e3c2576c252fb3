"""Batches of a training run: built from the order alone, so any step can be had without those before it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, MutableSequence
from contextlib import closing
from multiprocessing.sharedctypes import RawArray
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from toonforge.components import DrawsAlone, ImageSource, Locates
from toonforge.data.batch import Batch, Rooms, put
from toonforge.data.order import Draw, Order, steps_per_epoch
from toonforge.data.reading.again import WAITS, read_again
from toonforge.data.seeds import derive, seed_processor
from toonforge.data.workers import Workers, begin_worker
from toonforge.errors import DataError, Problem, UnreadableImage

__all__ = ["Batch", "TrainLoader"]


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
        resume: the command that goes on with the run after an error, as far as it is known.

    Raises:
        DataError: where the batch cannot be cut evenly, a group is empty or, while iterating, wholly unreadable.
        RunError: while iterating, where a worker was killed.
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
        resume: str = "toonforge run … --resume",
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
        self._samples = _Steps(source, order, rank, processes, parts, pin_memory and not workers, workers, resume)
        self._workers, self._pin_memory, self._resume = workers, pin_memory, resume
        self._begun = 0

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Batch]:
        # Closed here and not by the garbage collection, which an error's traceback may keep waiting.
        with closing(self._background() if self._workers and self.steps else self._here()) as results:
            for self._begun, result in enumerate(results, 1):
                if isinstance(result, DataError):
                    raise result
                yield result

    @property
    def may_read_ahead(self) -> bool:
        """Whether a thread may read batches here while a training step draws random numbers."""
        return self._samples.alone and not self._workers

    @property
    def reading(self) -> str | None:
        """Where the picture lies that the next batch waits for; None where that is none. Any thread may ask."""
        return self._samples.reading(self._begun % max(self._workers, 1))

    def _here(self) -> Generator[Batch | DataError, None, None]:
        yield from map(self._samples.__getitem__, self.steps)

    def _background(self) -> Generator[Batch | DataError, None, None]:
        loader = DataLoader(
            self._samples,
            batch_size=None,
            sampler=self.steps,
            num_workers=self._workers,
            pin_memory=self._pin_memory,
            collate_fn=_as_is,
            worker_init_fn=begin_worker,
            # A generator of its own: otherwise starting the workers would advance torch's global random state.
            generator=torch.Generator(),
        )
        workers = Workers(loader, self._samples.reading, self._resume)
        try:
            yield from workers
        finally:
            workers.close()


def _as_is(result: Any) -> Any:
    return result


class _Steps(Dataset["Batch | DataError"]):
    """Maps a step's number to its batch. Errors are returned, since a worker's own lose their fields on the way."""

    def __init__(
        self,
        source: ImageSource,
        order: Order,
        rank: int,
        processes: int,
        parts: int,
        pin_memory: bool,
        workers: int,
        resume: str,
    ) -> None:
        self.source, self.order, self.pin_memory, self.resume = source, order, pin_memory, resume
        self.rank, self.parts = rank, parts
        self.share = order.batch_size // (parts * processes)
        self.stride = order.batch_size // parts
        self._groups = list(order.sizes)
        self._rooms = Rooms()
        self.alone = isinstance(source, DrawsAlone) and source.draws_alone
        self._unreadable: dict[tuple[str, int], UnreadableImage] = {}
        self._tired: set[tuple[str, int]] = set()
        # What each worker reads, seen by all: 1 + its index * groups + the group's number; 0 between pictures.
        self._reading: MutableSequence[int] = RawArray("q", workers) if workers else [0]

    def __getitem__(self, step: int) -> Batch | DataError:
        first = step * self.order.batch_size + self.rank * self.share
        worker = get_worker_info()
        batch = _Under(Batch([]), 0 if worker is None else worker.id)
        try:
            for part in range(self.parts):
                batch.whole.parts.append(self._part(first + part * self.stride, batch))
        except DataError as error:
            return error
        finally:
            self._reading[batch.worker] = 0
        return batch.whole

    def reading(self, worker: int) -> str | None:
        """What a worker, or this process as number 0, is reading now."""
        now = self._reading[worker]
        if not now:
            return None
        index, group = divmod(now - 1, len(self._groups))
        return self._where(self._groups[group], index)

    def _where(self, group: str, index: int) -> str:
        if isinstance(self.source, Locates) and (paths := self.source.where(group, index)):
            return " with ".join(paths.values())
        return self.source.name(group, index)

    def _part(self, first: int, batch: _Under) -> dict[str, Tensor]:
        """Samples from number `first` on; each is copied to its place while it still lies in the processor's cache."""
        # Generators are made all before the first picture is decoded: in between they take twice the time.
        drawn = [
            [(group, number, draw, draw.generator()) for group, draw in self.order.draws(number).items()]
            for number in range(first, first + self.share)
        ]
        fields: dict[str, Tensor] = {}
        for at, sample in enumerate(drawn):
            for group, number, draw, rng in sample:
                item = self._item(group, draw.index, _Chance(self.order.seed, group, number, draw, rng), batch)
                if item is None:
                    item = self._instead(group, number, draw, batch)
                for key, value in item.items():
                    if at == 0:
                        fields[key] = self._rooms.room(value, self.share, self.pin_memory)
                    put(value, fields[key], at)
        return fields

    def _item(self, group: str, index: int, chance: _Chance, batch: _Under) -> Mapping[str, Tensor] | None:
        """The item, or None for one that is unreadable: now, or when it was tried before."""
        which = (group, index)
        error = self._unreadable.get(which)
        if error is None:
            self._reading[batch.worker] = 1 + index * len(self._groups) + self._groups.index(group)
            # Where a whole disk is away, waiting for each of its pictures in turn would take days.
            waits = () if batch.whole.passing or which in self._tired else WAITS
            try:
                item = read_again(
                    lambda: self.source.item(group, index, chance.begin(self.alone)),
                    lambda: self._where(group, index),
                    batch.whole.retried.__setitem__,
                    waits,
                )
            except UnreadableImage as unreadable:
                error = unreadable
                if unreadable.passing:
                    self._tired.add(which)
                    batch.whole.passing.add(unreadable.path)
                else:
                    self._unreadable[which] = unreadable
            else:
                self._tired.discard(which)
                return item
        batch.whole.skipped[error.path] = error.reason
        return None

    def _instead(self, group: str, number: int, draw: Draw, batch: _Under) -> Mapping[str, Tensor]:
        """The next readable item, in the place of one that is not."""
        for index in self.order.replacements(group, number):
            item = self._item(group, index, _Chance(self.order.seed, group, number, draw), batch)
            if item is not None:
                return item
        raise self._none_left(group, batch.whole)

    def _none_left(self, group: str, batch: Batch) -> DataError:
        path, reason = next(iter(batch.skipped.items()))
        return DataError(
            Problem(
                message=f"no readable picture is left among {group!r}",
                found=f"{self.order.sizes[group]} that cannot be read; the first: {path}: {reason}",
                expected="at least one",
                hint=f"see whether their disk or network is there; then go on with: {self.resume}",
            )
        )


@attrs.define
class _Under:
    """A batch under way. `worker`: the number of the worker that makes it."""

    whole: Batch
    worker: int


@attrs.define
class _Chance:
    """All that is random in one item: the same at each try, in any process, whoever was read before."""

    seed: int
    group: str
    number: int
    draw: Draw
    fresh: np.random.Generator | None = None

    def begin(self, alone: bool) -> np.random.Generator:
        """The item's own stream. Unless that is all it draws from, the global streams are seeded for it too."""
        if not alone:
            seed_processor(derive(self.seed, "data", self.group, self.number))
        rng, self.fresh = self.fresh or self.draw.generator(), None
        return rng
