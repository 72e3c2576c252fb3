"""Of pictures that are near each other, which one is kept.

The best picture is kept and takes all that are near it, then the best of the rest, and so on. So every picture that is
put aside is near the one that is kept for it (no chain of small steps joins pictures that differ), no two that are
kept are near each other (a second pass over them finds nothing), and the order of the files does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from toonforge.prepare.duplicates.near import near_pairs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.prepare.duplicates.near import Hashes

    Indices = npt.NDArray[np.int64]


@attrs.frozen(kw_only=True, eq=False)
class Keepers:
    """What becomes of n pictures.

    Attributes:
        kept: (n,) index of the picture that is kept in place of each; its own where it is kept itself.
        distance: (n,) bits between the two.
        mirrored: (n,) whether the kept one is near only when it is mirrored.
    """

    kept: Indices
    distance: Indices
    mirrored: npt.NDArray[np.bool_]


def keepers(hashes: Hashes, rank: Indices, distance: int, mirrored: Hashes | None = None) -> Keepers:
    """Choose which pictures are kept.

    Args:
        hashes: (n,) of the pictures.
        rank: (n,) 0 for the best picture, all different.
        distance: bits by which near ones may differ.
        mirrored: (n,) hashes of the mirrored pictures, where those count as well.

    Each picture that is not kept belongs to the nearest one that is; of equally near ones, to the best.
    """
    import numpy as np

    columns = hashes[:, None] if mirrored is None else np.stack([hashes, mirrored], axis=1)
    # Pictures with the same hash have the same neighbours: only the best of them takes part.
    by_rank = np.argsort(rank)
    _, first, alike = np.unique(columns[by_rank], axis=0, return_index=True, return_inverse=True)
    best = by_rank[np.sort(first)]  # of each class; the classes are numbered by their rank from here on
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    of_class = np.empty(len(hashes), np.int64)
    of_class[by_rank] = number[alike.reshape(-1)]
    kept, bits, flipped = _of_classes(*_edges(columns[best], distance))
    return Keepers(kept=best[kept[of_class]], distance=bits[of_class], mirrored=flipped[of_class])


def _edges(columns: Hashes, distance: int) -> tuple[int, Indices, Indices, Indices, npt.NDArray[np.bool_]]:
    """How many classes; then of every pair that is near: from, to, bits, mirrored; each pair in both directions."""
    import numpy as np

    count, kinds = columns.shape
    first, second, bits = near_pairs(columns.T.reshape(-1), distance)
    if kinds == 2:
        useful = (first < count) & (second % count != first)  # neither mirrored with mirrored, nor with itself
        first, second, bits = first[useful], second[useful], bits[useful]
    flipped, second = second >= count, second % count
    both = np.concatenate([first, second]), np.concatenate([second, first])
    return count, *both, np.tile(bits, 2).astype(np.int64), np.tile(flipped, 2)


def _of_classes(
    count: int, one: Indices, other: Indices, bits: Indices, flipped: npt.NDArray[np.bool_]
) -> tuple[Indices, Indices, npt.NDArray[np.bool_]]:
    """For each class the class that is kept, the bits between them and whether mirrored; the best has number 0."""
    import numpy as np

    order = np.lexsort((flipped, other, bits, one))  # of each class: its nearest neighbour first, then the better
    one, other, bits, flipped = one[order], other[order], bits[order], flipped[order]
    starts = np.searchsorted(one, np.arange(count + 1))
    taken = np.zeros(count, bool)
    is_kept = np.ones(count, bool)
    for number in np.flatnonzero(np.diff(starts)).tolist():
        if taken[number]:
            is_kept[number] = False
        else:
            taken[other[starts[number] : starts[number + 1]]] = True
    kept, distance = np.arange(count), np.zeros(count, np.int64)
    mirrored = np.zeros(count, bool)
    usable = is_kept[other] & ~is_kept[one]
    of, first = np.unique(one[usable], return_index=True)
    kept[of], distance[of], mirrored[of] = (column[usable][first] for column in (other, bits, flipped))
    return kept, distance, mirrored
