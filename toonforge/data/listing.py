"""What a data set's folders hold, with errors that say which key of the recipe names a folder that will not do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import attrs

from toonforge.data.files import item_name
from toonforge.data.reading import SUFFIXES, list_pictures, shown
from toonforge.errors import DataError, Problem

_NAMED = 5


@attrs.frozen(kw_only=True)
class Listed:
    """A folder's pictures: (name, file), sorted. `key` is where the recipe names the folder."""

    key: str
    folder: Path
    pictures: tuple[tuple[str, Path], ...]


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
    pictures = tuple((item_name(file, folder), file) for file in list_pictures(folder))
    if not pictures:
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


def check_matched(listed: Mapping[str, Listed]) -> None:
    """Raise `DataError` where a side has a name twice, or lacks one that another side has."""
    problems: list[Problem] = []
    names = {field: [name for name, _ in side.pictures] for field, side in listed.items()}
    counts = {field: Counter(given) for field, given in names.items()}
    everything = set().union(*names.values())
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
        if missing := sorted(everything - set(names[field])):
            problems.append(
                Problem(
                    message=f"{len(missing)} of {len(everything)} pairs have no picture in {shown(side.folder)}",
                    key=side.key,
                    found=f"no {_some(missing)}",
                    expected="files of the same names in every folder; their endings may differ",
                )
            )
    if problems:
        raise DataError(*problems)


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")
