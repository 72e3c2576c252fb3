"""What a data set's folders hold, with errors that say which key of the recipe names a folder that will not do."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.data.files import Files
from toonforge.data.reading.picture import SUFFIXES, shown
from toonforge.errors import DataError, Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.pictures import Indices, Pictures

_NAMED = 5


@attrs.frozen(kw_only=True)
class Listed:
    """A folder's pictures, sorted by path. `key` is where the recipe names the folder."""

    key: str
    folder: Path
    pictures: Files

    @property
    def what(self) -> str:
        """How many there are, and where."""
        return f"{len(self.pictures)} in {shown(self.folder)}"


def list_folder(key: str, folder: Path) -> Listed:
    """A folder's pictures; raises `DataError` where there are none."""
    if not folder.is_dir():
        there = folder.exists()
        raise DataError(
            Problem(
                message=f"the folder {shown(folder)} {'is a file' if there else 'does not exist'}",
                key=key,
                expected="a folder of pictures",
                hint=None if there or folder.is_absolute() else f"it is looked for in {shown(Path.cwd())}",
            )
        )
    pictures = Files.below(folder)
    if not len(pictures):
        entries = sum(1 for _ in folder.iterdir())
        raise DataError(
            Problem(
                message=f"the folder {shown(folder)} holds no pictures",
                key=key,
                found=f"{entries} entries, none of them a picture" if entries else "nothing",
                expected=f"files that end in {', '.join(SUFFIXES)}",
            )
        )
    return Listed(key=key, folder=folder, pictures=pictures)


def matched(listed: Mapping[str, Listed]) -> Mapping[str, Files]:
    """Field -> its pictures, in an order that is the same for all: that of the first field's.

    Raises:
        DataError: a side has a name twice, or lacks one that another side has.
    """
    import numpy as np

    # Names as 8 bytes each: lists of a million of them would take more memory than all the rest.
    prints = {field: _fingerprints(side.pictures) for field, side in listed.items()}
    first_field = next(iter(listed))
    first = prints[first_field]
    order = np.argsort(first, kind="stable")
    places: dict[str, Indices] = {}
    for field, theirs in prints.items():
        own = np.argsort(theirs, kind="stable")
        if len(theirs) != len(first) or len(np.unique(theirs)) != len(theirs) or (theirs[own] != first[order]).any():
            raise _unmatched(listed)
        places[field] = np.empty_like(own)
        places[field][order] = own
    return {field: side.pictures.only(places[field]) for field, side in listed.items()}


def _fingerprints(pictures: Pictures) -> npt.NDArray[np.uint64]:
    import numpy as np

    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in _names(pictures))
    return np.frombuffer(digests, np.uint64)


def _unmatched(listed: Mapping[str, Listed]) -> DataError:
    """Which names are missing and which are there twice."""
    problems: list[Problem] = []
    counts = {field: Counter(_names(side.pictures)) for field, side in listed.items()}
    everything = set().union(*counts.values())
    for field, side in listed.items():
        if twice := sorted(name for name, count in counts[field].items() if count > 1):
            problems.append(
                Problem(
                    message=f"several files in {shown(side.folder)} have one name, so pairs cannot be told",
                    key=side.key,
                    found=_some(twice),
                    expected="names that differ in more than their ending",
                )
            )
        if missing := sorted(everything - counts[field].keys()):
            problems.append(
                Problem(
                    message=f"{len(missing)} of {len(everything)} names have no picture in {shown(side.folder)}",
                    key=side.key,
                    found=f"no {_some(missing)}",
                    expected="files of the same names in every folder; their endings may differ",
                )
            )
    return DataError(*problems)


def _names(pictures: Pictures) -> Iterable[str]:
    return map(pictures.name, range(len(pictures)))


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")
