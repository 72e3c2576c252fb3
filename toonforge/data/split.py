"""Which items are for training, validation and testing: each item's name decides, so adding files moves none."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping

SPLITS = ("train", "validation", "test")
"""The parts of a data set."""


def parted(names: Iterable[str], *, validation: float, test: float = 0.0, seed: int) -> Mapping[str, frozenset[str]]:
    """Part -> its names; no name is in two.

    Args:
        names: of the items.
        validation, test: shares held out, between 0 and 1, together less than 1; 0 holds out nothing.
        seed: another seed, another split.

    Every name has a number between 0 and 1: the lowest are for validation, the next for testing. So another share for
    testing moves nothing into or out of validation. Where there are enough names, no part that has a share is empty:
    where the shares alone would leave it so, the name nearest to it moves.
    """
    draws = {name: _draw(name, seed) for name in names}
    order = sorted(draws, key=lambda name: (draws[name], name))
    first, second = (bisect_left(order, share, key=draws.__getitem__) for share in (validation, validation + test))
    least, more = int(validation > 0), int(test > 0)
    if len(order) > least + more:
        first = min(max(first, least), len(order) - more - 1)
        second = min(max(second, first + more), len(order) - 1)
    parts = (order[second:], order[:first], order[first:second])
    return {part: frozenset(chosen) for part, chosen in zip(SPLITS, parts)}


def _draw(name: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
