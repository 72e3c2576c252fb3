"""`data.csv` of a run: every picture, and whether it is for training, validation or testing."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from toonforge.cells import cell
from toonforge.components import ImageSource, Locates
from toonforge.files import replacing


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
