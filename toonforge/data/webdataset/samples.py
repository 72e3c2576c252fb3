"""Which members of which shards a recipe's fields mean: the samples that have them, and what is said of the others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toonforge.data.pictures import Texts
from toonforge.data.reading.picture import shown
from toonforge.data.webdataset.cache import Shard, indexes
from toonforge.data.webdataset.files import shard_files
from toonforge.data.webdataset.pictures import Members, ShardPictures
from toonforge.errors import DataError, Problem
from toonforge.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from toonforge.data.webdataset.shards import ShardIndex

LOG = logging.getLogger(__name__)

Fields = tuple[tuple[str, tuple[str, ...]], ...]
"""(batch field, endings that its member may have: the first that a sample has is taken) each."""

_NAMED = 5
_NONE, _TWICE = -1, -2


def samples(key: str, patterns: Sequence[str], fields: Mapping[str, tuple[str, ...]]) -> dict[str, ShardPictures]:
    """Field -> its pictures, of those samples that have every one of these fields; so all have one length.

    Args:
        key: where the recipe names the shards.
        patterns: of the shards.
        fields: batch field -> endings that its member may have.

    Raises:
        DataError: shards are missing or cannot be used, or no sample has the fields.
    """
    shards = []
    for path in shard_files(key, patterns):
        try:
            shards.append(Shard.at(path))
        except OSError as error:  # gone since it was listed
            problem = Problem(message=f"the shard {shown(path)} is gone", key=key, found=error.strerror)
            raise DataError(problem) from error
    found = _members(tuple(shards), key, tuple(fields.items()))
    return {field: ShardPictures(members) for field, members in found.items()}


@lru_cache(maxsize=4)
def _members(shards: tuple[Shard, ...], key: str, fields: Fields) -> Mapping[str, Members]:
    """Kept, because each part of a data set asks for the same."""
    import numpy as np

    seen = _Seen(fields)
    places = [_Places() for _ in fields]

    def keys() -> Iterator[str]:
        for number, (shard, index) in enumerate(zip(shards, indexes(shards, key))):
            for note in index.notes:
                LOG.warning("%s: the shard %s: %s", key, shown(shard.path), note)
            found = [_found(index, endings) for _, endings in fields]
            rows = np.flatnonzero(np.logical_and.reduce([ending >= 0 for ending, _ in found]))
            seen.add(index, [ending for ending, _ in found])
            for (ending, member), place in zip(found, places):
                place.add(number, ending[rows], index.offset[member[rows]], index.size[member[rows]])
            yield from map(index.key, rows.tolist())

    texts = Texts(keys())
    if not len(texts):
        raise seen.nothing(key, len(shards))
    for note in seen.notes():
        LOG.warning("%s: %s", key, note)
    shard = places[0].shard()
    return {
        field: Members(shards=shards, endings=endings, keys=texts, shard=shard, **place.arrays())
        for (field, endings), place in zip(fields, places)
    }


class _Places:
    """Where one field's members lie, shard after shard."""

    def __init__(self) -> None:
        self.counts: list[tuple[int, int]] = []
        self.parts: dict[str, list[npt.NDArray[Any]]] = {"ending": [], "offset": [], "size": []}

    def add(self, shard: int, *arrays: npt.NDArray[Any]) -> None:
        self.counts.append((shard, len(arrays[0])))
        for part, array in zip(self.parts.values(), arrays):
            part.append(array)

    def shard(self) -> npt.NDArray[np.int32]:
        import numpy as np

        numbers, counts = zip(*self.counts)
        return np.repeat(np.array(numbers, np.int32), counts)

    def arrays(self) -> dict[str, Any]:
        import numpy as np

        return {name: np.concatenate(self.parts.pop(name)) for name in tuple(self.parts)}


def _found(index: ShardIndex, endings: tuple[str, ...]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
    """Of each sample, the first of these endings that it has, by number, and the number of the member.

    The first is negative where a sample has none of them, or has it twice, so that none can be told.
    """
    import numpy as np

    count = len(index.key_ends)
    sample = np.repeat(np.arange(count), np.diff(index.member_ends, prepend=0))
    found, member = np.full(count, _NONE, np.int16), np.zeros(count, np.int64)
    for number, ending in enumerate(endings):
        if ending in index.endings:
            members = np.flatnonzero(index.ending == index.endings.index(ending))
            rows = sample[members]
            fresh = found[rows] == _NONE
            found[rows[fresh]], member[rows[fresh]] = number, members[fresh]
            found[(found == number) & (np.bincount(rows, minlength=count) > 1)] = _TWICE
    return found, member


class _Seen:
    """Counts of what the shards hold, for what is said of samples that are left out."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.samples = 0
        self.endings: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, int]] = Counter()
        self.first: dict[tuple[str, int], str] = {}

    def add(self, index: ShardIndex, found: Sequence[npt.NDArray[np.int16]]) -> None:
        import numpy as np

        self.samples += len(index.key_ends)
        for ending, count in zip(index.endings, np.bincount(index.ending, minlength=len(index.endings))):
            self.endings[ending] += int(count)
        for (_, endings), numbers in zip(self.fields, found):
            for why in (_NONE, _TWICE):
                rows = np.flatnonzero(numbers == why)
                if len(rows):
                    self.left_out[_shown(endings), why] += len(rows)
                    self.first.setdefault((_shown(endings), why), index.key(int(rows[0])))

    def notes(self) -> Iterator[str]:
        """A sentence for each reason why samples are left out."""
        for (endings, why), count in self.left_out.items():
            has = f"have no {endings}" if why == _NONE else f"have {endings} twice"
            first = self.first[endings, why]
            yield f"{count:,} of {self.samples:,} samples {has} and are left out; the first is {first}"

    def nothing(self, key: str, shards: int) -> DataError:
        """The error where no sample has all fields."""
        wanted = " and ".join(_shown(endings) for _, endings in self.fields)
        there = ", ".join(f"{ending} ({count:,})" for ending, count in self.endings.most_common(_NAMED))
        example = ", ".join(f"0001.{endings[0]}" for _, endings in self.fields)
        close = [did_you_mean(ending, self.endings) for _, endings in self.fields for ending in endings]
        return DataError(
            Problem(
                message=f"no sample in {shards:,} shard{'s' * (shards > 1)} has {wanted}",
                key=key,
                found=f"{self.samples:,} samples with members that end in {there}" if there else "no samples",
                expected=f"neighbouring members such as {example}",
                hint=next(filter(None, close), None),
            )
        )


def _shown(endings: tuple[str, ...]) -> str:
    return " or ".join(endings)
