"""Which picture comes when: a pure function of the seed and the sample's number, so a resume needs no saved state."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_KEPT = 2
_ORDER, _AUGMENTATION = 0, 1


@attrs.frozen
class Draw:
    """One group's share of one sample: which item, and the seed of its augmentation."""

    index: int
    seed: tuple[int, ...]

    def generator(self) -> np.random.Generator:
        """A fresh generator: two calls give the same numbers."""
        import numpy as np

        return np.random.default_rng(self.seed)


def steps_per_epoch(sizes: Mapping[str, int], batch_size: int) -> int:
    """Steps in one pass over the longest group; an incomplete batch is dropped, and one step is the least."""
    return max(1, max(sizes.values()) // batch_size)


class Order:
    """The order of a data set's items.

    Sample `n` (the `n % batch_size`-th of step `n // batch_size`) takes one item of every group. Each group runs
    through permutations of its own, one after the other, so that a shorter group starts again while a longer one
    goes on. The longest starts a new permutation with each epoch: what an incomplete batch would have held is left
    for another epoch. A batch larger than the longest group takes as many permutations as it needs.

    Args:
        sizes: group -> how many items it has, each at least 1.
        batch_size: samples in a step, over all processes.
        seed: another seed, another order.
    """

    def __init__(self, sizes: Mapping[str, int], batch_size: int, seed: int) -> None:
        self.sizes, self.batch_size, self.seed = dict(sizes), batch_size, seed
        longest = max(sizes.values())
        epoch = longest // batch_size * batch_size
        self._rounds = {group: epoch if size == longest and epoch else size for group, size in sizes.items()}
        self._keys = {group: int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") for group in sizes}
        self._permutations: dict[str, OrderedDict[int, npt.NDArray[np.int64]]] = {g: OrderedDict() for g in sizes}

    def draws(self, sample: int) -> dict[str, Draw]:
        """What sample number `sample`, counted from 0 over the whole run, takes of every group."""
        return {group: self._draw(group, sample) for group in self.sizes}

    def _draw(self, group: str, sample: int) -> Draw:
        number, at = divmod(sample, self._rounds[group])
        index = int(self._permutation(group, number)[at])
        return Draw(index, (self.seed, _AUGMENTATION, self._keys[group], sample))

    def replacements(self, group: str, sample: int) -> Iterator[int]:
        """Every other item of the group, in the order of the permutation from the sample's own item on."""
        number, at = divmod(sample, self._rounds[group])
        permutation = self._permutation(group, number)
        return (int(permutation[(at + ahead) % len(permutation)]) for ahead in range(1, len(permutation)))

    def _permutation(self, group: str, number: int) -> npt.NDArray[np.int64]:
        import numpy as np

        kept = self._permutations[group]
        if number not in kept:
            rng = np.random.default_rng((self.seed, _ORDER, self._keys[group], number))
            kept[number] = rng.permutation(self.sizes[group])
            if len(kept) > _KEPT:
                kept.popitem(last=False)
        return kept[number]
