"""Which items are for training and which for validation: each item's name decides, so adding files moves none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def held_out(names: Iterable[str], validation: float, seed: int) -> frozenset[str]:
    """The names that are for validation.

    Args:
        names: of the items.
        validation: share held out, between 0 and 1.
        seed: another seed, another split.

    Two names or more always leave one for each part: where the share alone would not, the name nearest to it moves.
    """
    draws = {name: _draw(name, seed) for name in names}
    held = {name for name, draw in draws.items() if draw < validation}
    if len(draws) > 1 and not held:
        held = {min(draws, key=lambda name: (draws[name], name))}
    if len(draws) > 1 and len(held) == len(draws):
        held.discard(max(draws, key=lambda name: (draws[name], name)))
    return frozenset(held)


def _draw(name: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
