"""The pictures of a measurement: as from a training's second epoch on, where they are kept in memory by then."""

from __future__ import annotations

from collections.abc import Mapping

from toonforge.components import Dataset, ImageSource
from toonforge.data.cache.kinds import MEMORY_BYTES
from toonforge.data.used import Used
from toonforge.errors import UnreadableImage

STEPS = 2
"""Batches of different pictures, where a few stand for all: those of the first steps, which are not measured."""


def as_later(source: ImageSource, dataset: Dataset, batch_size: int) -> ImageSource:
    """A few pictures where all of them fit into the cache in memory, so that those are in it at once; else all.

    What is cached on disk, or not at all, or too large, is read and made as in a first epoch.

    Args:
        source: the pictures to train on.
        dataset: what the recipe says of them.
        batch_size: of a step.
    """
    if getattr(dataset, "cache", None) != "memory" or not _fits(source):
        return source
    return Few(source, STEPS * batch_size)


def _fits(source: ImageSource) -> bool:
    """Whether the cache holds all, as far as a first picture of each group tells."""
    try:
        needed = sum(size * _bytes(source.item(group, 0, None)) for group, size in source.sizes.items())
    except UnreadableImage:
        return False
    return needed <= MEMORY_BYTES


def _bytes(fields: Mapping[str, object]) -> int:
    return sum(int(getattr(value, "nbytes", 0)) for value in fields.values())


class Few(Used):
    """The first items of each group.

    Args:
        source: the pictures.
        count: how many of each group, if it has so many.
    """

    def __init__(self, source: ImageSource, count: int) -> None:
        super().__init__(source, [*source.sizes])
        self.sizes = {group: min(size, count) for group, size in source.sizes.items()}
