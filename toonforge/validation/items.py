"""The pictures of a part in batches on a device: the i-th of every group together, without unreadable ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set

import attrs
import torch
from torch import Tensor

from toonforge.components import ImageSource
from toonforge.data.transforms import normalised
from toonforge.data.used import only_used
from toonforge.errors import UnreadableImage

BATCH = 8

Groups = Mapping[str, Mapping[str, object]]


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """Some items.

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
    """

    source: ImageSource
    groups: Groups
    device: torch.device
    dtype: torch.dtype
    skipped: Callable[[str, str], None]

    def group_of(self, field: str) -> str:
        """The group that a batch field is of."""
        return next(group for group, fields in self.groups.items() if field in fields)

    def count(self, fields: Set[str]) -> int:
        """How many items have all these fields: as many as the smallest of their groups has pictures."""
        return min(only_used(self.source, self.groups, fields).sizes.values())

    def batches(
        self, fields: Set[str], limit: int | None = None, indices: Sequence[int] | None = None
    ) -> Iterator[Batch]:
        """Items with these fields.

        Args:
            limit: no more items are tried.
            indices: which items, in this order; all when left out.
        """
        source = only_used(self.source, self.groups, fields)
        waiting: list[tuple[int, dict[str, Tensor]]] = []
        for index in (range(min(source.sizes.values())) if indices is None else indices)[:limit]:
            try:
                waiting.append((index, _item(source, index)))
            except UnreadableImage as error:
                self.skipped(error.path, error.reason)
                continue
            if len(waiting) == BATCH:
                yield self._together(waiting)
                waiting = []
        if waiting:
            yield self._together(waiting)

    def _together(self, items: Sequence[tuple[int, Mapping[str, Tensor]]]) -> Batch:
        stacked = {key: torch.stack([item[key] for _, item in items]).to(self.device) for key in items[0][1]}
        fields = {key: normalised(value).to(self.dtype) for key, value in stacked.items()}
        return Batch(indices=[index for index, _ in items], fields=fields)


def _item(source: ImageSource, index: int) -> dict[str, Tensor]:
    item: dict[str, Tensor] = {}
    for group in sorted(source.sizes):
        item.update(source.item(group, index, None))
    return item
