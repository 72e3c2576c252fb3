"""`data.csv` of a run: every picture, and whether it is for training, validation or testing."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from toonforge.cells import cell, content
from toonforge.components import ImageSource, Locates
from toonforge.files import replacing
from toonforge.runs.fingerprint import Compared

COMPARED = 200_000
"""Pictures of a group that are compared by name: with more, the texts would take more memory than they are worth."""


def write_data_list(path: Path, parts: Mapping[str, ImageSource], fields: Mapping[str, Sequence[str]]) -> None:
    """Write the list: one line an item, with its part and, for each field, where its picture lies.

    Where pictures are files of their own, the data set `listed` reads it: the same split for another run, whatever is
    added to the folders. Items of groups that are drawn independently have lines of their own, and leave the fields of
    the others empty.

    Args:
        path: of the file.
        parts: "train", "validation" or "test" -> its items.
        fields: group -> its batch fields. Those that filters make are left out where the source says what lies where;
            a source that does not is listed by its items' names.
    """
    columns = dict.fromkeys(field for source in parts.values() for field in _columns(source, fields))
    with replacing(path) as file:
        writer = csv.DictWriter(file, ["part", *columns], restval="", lineterminator="\r\n")
        writer.writeheader()
        for part, source in parts.items():
            for group, size in source.sizes.items():
                for index in range(size):
                    where = _where(source, group, index, fields[group])
                    writer.writerow({"part": part, **{field: cell(name) for field, name in where.items()}})


def _columns(source: ImageSource, fields: Mapping[str, Sequence[str]]) -> list[str]:
    return [f for group, size in source.sizes.items() if size for f in _where(source, group, 0, fields[group])]


def _where(source: ImageSource, group: str, index: int, fields: Sequence[str]) -> Mapping[str, str]:
    where = source.where(group, index) if isinstance(source, Locates) else {}
    return where or {fields[0]: source.name(group, index)}


def compare_data_list(path: Path, part: str, group: str, source: ImageSource, fields: Sequence[str]) -> Compared | None:
    """What the list says of a group's pictures as they are now; None where that does not tell them apart.

    Pictures that were moved are compared by their paths below the folder that all of them lie in.

    Args:
        path: of the list as the run has it.
        part, group, source: the items to compare.
        fields: the group's batch fields.
    """
    size = source.sizes.get(group, 0)
    if not 0 < size <= COMPARED:
        return None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            column = next((field for field in fields if field in (reader.fieldnames or ())), None)
            rows = [row[column] for row in reader if row["part"] == part and row[column]] if column else []
    except (OSError, ValueError, KeyError, csv.Error):
        return None
    if not rows:
        return None
    now = [_where(source, group, index, fields).get(column or "") for index in range(size)]
    then, today = {content(name) for name in rows}, {name for name in now if name is not None}
    if not then & today:
        then, today = _below(then), _below(today)
    if not then & today:
        return None
    return Compared(of=len(rows), now=size, gone=len(then - today), new=len(today - then))


def _below(paths: set[str]) -> set[str]:
    """Paths without the folder that all of them lie in."""
    first, last = min(paths), max(paths)
    alike = next((n for n, (one, other) in enumerate(zip(first, last)) if one != other), len(first))
    start = first[:alike].rfind(os.sep) + 1
    return {path[start:] for path in paths}
