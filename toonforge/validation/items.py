"""The pictures of a part in batches on a device: the i-th of every group together, without unreadable ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import TypeVar

import attrs
import torch
from torch import Tensor

from toonforge.components import ImageSource
from toonforge.data.reading.again import WAITS, Retried, read_again
from toonforge.data.seeds import seed_all
from toonforge.data.transforms import normalised
from toonforge.data.used import only_used
from toonforge.errors import UnreadableImage
from toonforge.memory import is_out_of_memory

BATCH = 8
VALUES = 2**24
"""A batch holds no more values than this, colours and fields counted: large pictures come alone."""

Groups = Mapping[str, Mapping[str, object]]


T = TypeVar("T")


def nobody(path: str, retried: Retried) -> None:
    """Who hears of pictures that were read at a later try, where nobody counts them."""


def go_on() -> None:
    """What is asked between pictures where nothing may stop them."""


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """Some items. Torch, numpy and random are seeded by them: an op with noise makes the same of them each time.

    Attributes:
        indices: their numbers in the source.
        fields: batch field -> tensor (N,C,H,W), pictures in [-1, 1].
    """

    indices: Sequence[int]
    fields: Mapping[str, Tensor]


@attrs.frozen(kw_only=True, eq=False)
class Items:
    """A part of a data set.

    Attributes:
        source: the part.
        groups: the data set's groups, each with its batch fields.
        device, dtype: where and as what tensors are wanted.
        skipped: told (path, reason) of each picture that cannot be read.
        check: asked before each picture, and may raise; what was made of those before is then of no use.
        retried: told (path, how it went) of each picture that was read at a later try.
        largest: how many pictures a batch may hold, alone in the list.
        missed: pictures that were skipped though nothing is known to be wrong with them: path -> reason. Cleared by
            whom it concerns.
    """

    source: ImageSource
    groups: Groups
    device: torch.device
    dtype: torch.dtype
    skipped: Callable[[str, str], None]
    check: Callable[[], None] = go_on
    retried: Callable[[str, Retried], None] = nobody
    largest: list[int] = attrs.field(factory=lambda: [BATCH])
    missed: dict[str, str] = attrs.field(factory=dict)
    _away: set[str] = attrs.field(factory=set)

    def group_of(self, field: str) -> str:
        """The group that a batch field is of."""
        return next(group for group, fields in self.groups.items() if field in fields)

    def count(self, fields: Set[str]) -> int:
        """How many items have all these fields: as many as the smallest of their groups has pictures."""
        return min(only_used(self.source, self.groups, fields).sizes.values())

    def batches(self, fields: Set[str], limit: int | None = None) -> Iterator[Batch]:
        """All items with these fields, or the first `limit` of them less those that cannot be read."""
        source = only_used(self.source, self.groups, fields)
        waiting: list[tuple[int, dict[str, Tensor]]] = []
        for index in range(min(source.sizes.values()))[:limit]:
            item = self._read(source, index)
            if item is None:
                continue
            if waiting and not _fits(item, [other for _, other in waiting], self.largest[0]):
                yield self._together(waiting)
                waiting = []
            waiting.append((index, item))
        if waiting:
            yield self._together(waiting)

    def these(self, fields: Set[str], batches: Iterable[Sequence[int]]) -> Iterator[Batch]:
        """Items by their numbers, in the batches given."""
        source = only_used(self.source, self.groups, fields)
        for indices in batches:
            items = [(index, self._read(source, index)) for index in indices]
            if readable := [(index, item) for index, item in items if item is not None]:
                yield self._together(readable)

    def _read(self, source: ImageSource, index: int) -> dict[str, Tensor] | None:
        def read() -> dict[str, Tensor]:
            self.check()
            item: dict[str, Tensor] = {}
            # A picture is the same whenever it is read, also where a data set draws from the global streams.
            seed_all(0, "picture", *source.sizes, index, device=self.device)
            for group in sorted(source.sizes):
                item.update(source.item(group, index, None))
            return item

        def where() -> str:
            return ", ".join(source.name(group, index) for group in source.sizes)

        try:
            # Where a whole disk is away, waiting for each of its pictures in turn would take hours.
            item = read_again(read, where, self.retried, () if self._away else WAITS)
        except UnreadableImage as error:
            if error.passing:
                self._away.add(error.path)
                self.missed[error.path] = error.reason
            self.skipped(error.path, error.reason)
            return None
        self._away.clear()
        return item

    def in_smaller_batches(self, make: Callable[[], T], again: Callable[[], None]) -> T:
        """What `make` makes of batches; where the memory is too small for them, of smaller ones from here on.

        Args:
            again: called before each further try.
        """
        before = self.largest[0]
        while True:
            try:
                made = make()
            except Exception as error:
                if not is_out_of_memory(error) or self.largest[0] == 1:
                    raise
            else:
                if self.largest[0] < before:
                    count = f"{self.largest[0]} validation picture{'s' if self.largest[0] > 1 else ''}"
                    print(f"note: out of memory: {count} at a time from here on", file=sys.stderr)
                return made
            self.largest[0] //= 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            again()

    def _together(self, items: Sequence[tuple[int, Mapping[str, Tensor]]]) -> Batch:
        stacked = {key: torch.stack([item[key] for _, item in items]).to(self.device) for key in items[0][1]}
        fields = {key: normalised(value).to(self.dtype) for key, value in stacked.items()}
        seed_all(0, "batch", *stacked, items[0][0], device=self.device)
        return Batch(indices=[index for index, _ in items], fields=fields)


def _fits(item: Mapping[str, Tensor], others: Sequence[Mapping[str, Tensor]], largest: int) -> bool:
    """Whether an item has room in a batch of these: all are of one shape, and together not too large."""
    alike = all(value.shape == others[0][key].shape for key, value in item.items())
    size = sum(value.numel() for value in item.values())
    return alike and len(others) < largest and size * (len(others) + 1) <= VALUES
