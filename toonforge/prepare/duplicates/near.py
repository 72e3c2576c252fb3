"""All pairs of 64-bit hashes that differ in few bits: exact, without comparing each with each.

By the pigeonhole principle: where 64 bits are cut into d + e blocks and two hashes differ in at most d bits, at least
e blocks are the same. So for every choice of e blocks, hashes are sorted by these blocks, and only neighbours that
have them in common are compared (the scheme of Manku, Jain and Das Sarma, "Detecting near-duplicates for web
crawling", 2007).
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]
    Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]

BITS = 64
FARTHEST = 12
"""The largest distance that can be asked for: of 8,128 pairs of different sample pictures the nearest differ by 16."""


def near_pairs(hashes: Hashes, distance: int) -> Pairs:
    """Every pair of hashes that differ in at most `distance` bits.

    Args:
        hashes: (n,); better all different, since n of the same make n²/2 pairs.
        distance: 0 to `FARTHEST`.

    Returns:
        First and second index, the first the smaller, and the bits that differ; sorted by index. About 17 bytes a pair.
    """
    import numpy as np

    if not 0 <= distance <= FARTHEST:
        raise ValueError(f"distance {distance} is not between 0 and {FARTHEST}")
    same = _blocks_alike(len(hashes), distance)
    masks = _masks(distance + same)
    found: list[Any] = []
    for chosen in combinations(range(len(masks)), same):
        key = np.bitwise_or.reduce(masks[list(chosen)])
        found += [_new(pairs, hashes, masks, chosen) for pairs in _of_one_key(hashes, key, distance)]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
    first, second, bits = (np.concatenate(column) for column in zip(*found))
    order = np.lexsort((second, first))
    return first[order], second[order], bits[order]


def _blocks_alike(count: int, distance: int) -> int:
    """How many blocks should be the same: more of them mean more sorting, and fewer neighbours to compare."""

    def cost(same: int) -> float:
        choices = math.comb(distance + same, same)
        alike = count / 2 ** (BITS * same / (distance + same))
        return choices * count * (20 + alike)  # sorting takes some 20 times as long as comparing

    return min(range(1, 6), key=cost)


def _masks(blocks: int) -> Hashes:
    """The bits of each block."""
    import numpy as np

    ends = [BITS * i // blocks for i in range(blocks + 1)]
    return np.array([(1 << high) - (1 << low) for low, high in pairwise(ends)], np.uint64)


def _of_one_key(hashes: Hashes, key: Any, distance: int) -> Any:
    """Pairs that are near and the same in the bits of `key`, each once, in parts."""
    import numpy as np

    keys = hashes & key
    order = np.argsort(keys, kind="stable")
    keys, ordered = keys[order], hashes[order]
    places = np.flatnonzero(keys[1:] == keys[:-1])
    step = 1
    while len(places):
        bits = popcount(ordered[places] ^ ordered[places + step])
        near = bits <= distance
        if near.any():
            one, other = order[places[near]], order[places[near] + step]
            yield np.minimum(one, other), np.maximum(one, other), bits[near]
        step += 1
        places = places[places + step < len(keys)]
        places = places[keys[places] == keys[places + step]]


def _new(pairs: Pairs, hashes: Hashes, masks: Hashes, chosen: tuple[int, ...]) -> Pairs:
    """The pairs that no earlier choice of blocks has found: those whose first common blocks are the chosen ones."""
    import numpy as np

    first, second, bits = pairs
    differ = hashes[first] ^ hashes[second]
    alike = (differ[:, None] & masks) == 0
    firsts = alike & (np.cumsum(alike, axis=1) <= len(chosen))
    new = firsts[:, list(chosen)].all(axis=1)
    return first[new], second[new], bits[new]


def popcount(values: Hashes) -> npt.NDArray[np.uint8]:
    """How many bits of each are set. (NumPy counts them itself from 2.0 on; 1.26 does not.)"""
    import numpy as np

    pairs, fours, bytes_, ones = (np.uint64(v * (2**64 - 1) // 255) for v in (0x55, 0x33, 0x0F, 0x01))
    counts = values - ((values >> np.uint64(1)) & pairs)
    counts = (counts & fours) + ((counts >> np.uint64(2)) & fours)
    counts = (counts + (counts >> np.uint64(4))) & bytes_
    result: npt.NDArray[np.uint8] = ((counts * ones) >> np.uint64(56)).astype(np.uint8)
    return result
