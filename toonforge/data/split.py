"""Which items are for training, validation and testing: each item's name decides, so adding files moves none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SPLITS = ("train", "validation", "test")
"""The parts of a data set."""


def parts_of(names: Iterable[str], *, validation: float, test: float = 0.0, seed: int) -> npt.NDArray[np.uint8]:
    """The part of each name, as a number of `SPLITS`; equal names are in one part.

    Args:
        names: of the items.
        validation, test: shares held out, between 0 and 1, together less than 1; 0 holds out nothing.
        seed: another seed, another split.

    Every name has a number between 0 and 1: the lowest are for validation, the next for testing. So another share for
    testing moves nothing into or out of validation. Where there are enough names, no part that has a share is empty:
    where the shares alone would leave it so, the name nearest to it moves.
    """
    import numpy as np

    draws = np.fromiter((_draw(name, seed) for name in names), np.float64)
    order = np.unique(draws)
    first, second = (int(bound) for bound in np.searchsorted(order, (validation, validation + test)))
    least, more = int(validation > 0), int(test > 0)
    if len(order) > least + more:
        first = min(max(first, least), len(order) - more - 1)
        second = min(max(second, first + more), len(order) - 1)
    # Where each draw stands among all: below `first` it is for validation, from `second` on for training.
    part_of_place = np.zeros(len(order), np.uint8)
    part_of_place[:first], part_of_place[first:second] = 1, 2
    return part_of_place[np.searchsorted(order, draws)]


def _draw(name: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
