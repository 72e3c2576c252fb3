"""Pictures that stand on both sides of a comparison: what sets that share them score says little."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping

from toonforge.components import Metric, expressions
from toonforge.data.files import Files
from toonforge.data.listing import Listed
from toonforge.data.reading.picture import shown

THEMSELVES = "they are compared with themselves, so fid is too low and kid below 0"


def notes(folders: Mapping[str, Listed], reference: str, metrics: Iterable[Metric]) -> list[str]:
    """A note for each folder that has pictures of the reference folder, where a metric compares whole sets.

    Args:
        folders: field -> its pictures.
        reference: the field of the reference pictures; there may be none.
    """
    if reference not in folders or not any(map(_of_sets, metrics)):
        return []
    wanted = folders[reference]
    found = []
    for side in (side for field, side in folders.items() if field != reference):
        there = shown(wanted.folder)
        if wanted.folder.resolve() == side.folder.resolve():
            found.append(f"the pictures in {there} stand on both sides: {THEMSELVES}")
        elif count := shared(wanted.pictures, side.pictures):
            few = f"{count:,} of {len(wanted.pictures):,} pictures in {there}"
            found.append(f"{few} are in {shown(side.folder)} too: {THEMSELVES}")
    return list(dict.fromkeys(found))


def shared(these: Files, those: Files) -> int:
    """How many of `these` are among `those`: the same file, or one of the same bytes.

    Only files of a size that occurs on both sides are read.
    """
    sizes = [_by_size(files) for files in (these, those)]
    both = sizes[0].keys() & sizes[1].keys()
    contents = {_content(path) for size in both for path in sizes[1][size]} - {None}
    return sum(_content(path) in contents for size in both for path in sizes[0][size])


def _of_sets(metric: Metric) -> bool:
    """Whether it compares translated pictures with reference pictures that need not belong to them."""
    return bool({"reference", "target"} & (expressions(metric).keys() - set(metric.together)))


def _by_size(files: Files) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for index in range(len(files)):
        try:
            found.setdefault(os.stat(files.path(index)).st_size, []).append(files.path(index))
        except OSError:
            continue  # the measurement names and skips it
    return found


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).digest()
    except OSError:
        return None
