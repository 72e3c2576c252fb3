"""Columns of a table of the library `datasets`: which hold pictures, and what its rows are called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.data.files import item_name
from toonforge.data.pictures import Texts
from toonforge.errors import DataError, Problem
from toonforge.names import did_you_mean

if TYPE_CHECKING:
    from datasets import Dataset

_BYTES = ("binary", "large_binary")
_KEYS = ("string", "large_string", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_AT_ONCE = 100
_HUB_FOLDER = re.compile(r".*/(?:snapshots|extracted)/[^/]+/")


def picture_column(table: Dataset, column: str, key: str) -> tuple[str, ...]:
    """The names that lead to the pictures of a column: "pair.photo" may be `photo` in structures called `pair`.

    Args:
        table: the rows.
        column: as the recipe names it.
        key: where the recipe does.

    Raises:
        DataError: there is no such column, or it holds no pictures.
    """
    found = dict(_leaves(table.features))
    there = {".".join(names): names for names, feature in found.items() if _holds_pictures(feature)}
    if column in there:
        return there[column]
    columns = {".".join(names): feature for names, feature in found.items()}
    pictures = f"a column of pictures: {', '.join(there)}" if there else "a column of pictures; this set has none"
    if column not in columns:
        raise DataError(
            Problem(
                message=f"there is no column {column!r}",
                key=key,
                found=", ".join(columns),
                expected=pictures,
                hint=did_you_mean(column, there),
            )
        )
    hint = None
    if _type_of(columns[column]) in ("string", "large_string"):
        hint = 'for paths of pictures in a CSV file there is the data set "listed"'
    raise DataError(
        Problem(
            message=f"the column {column!r} holds no pictures",
            key=key,
            found=f"values of type {columns[column]}",
            expected=pictures,
            hint=hint,
        )
    )


def row_names(table: Dataset, column: tuple[str, ...], key_column: str | None, folder: Path | None) -> Texts:
    """What the rows are called: after the key column; else after the paths of the pictures; else by number.

    Args:
        table: the rows.
        column: of the pictures. Their paths are used where every row has one and all differ.
        key_column: whose values are names, if any.
        folder: what the paths are relative to, where they lie below it.

    Raises:
        DataError: the key column is missing, or holds neither text nor whole numbers.
    """
    if key_column is not None:
        feature = table.features.get(key_column)
        if _type_of(feature) not in _KEYS:
            raise DataError(
                Problem(
                    message=f"the column {key_column!r} is missing" if feature is None else "not a column of keys",
                    key="data.key",
                    found=", ".join(table.features) if feature is None else f"values of type {feature}",
                    expected="a column of text or whole numbers",
                    hint=did_you_mean(key_column, table.features) if feature is None else None,
                )
            )
        values = _values(table, (key_column,))
        return Texts(_row(number) if key is None else _name(str(key)) for number, key in enumerate(values))
    paths = _paths(table, column)
    if paths is None:
        return Texts(map(_row, range(len(table))))
    return Texts(item_name(_name(_below(path, folder))) for path in paths)


def _paths(table: Dataset, column: tuple[str, ...]) -> Texts | None:
    """The path of each row's picture; None where one has none, or two are alike."""
    import numpy as np

    feature = dict(_leaves(table.features))[column]
    if _type_of(feature) in _BYTES:
        return None
    prints = bytearray()

    def read() -> Iterator[str]:
        for path in _values(table, (*column, "path")):
            if not path:
                raise _NoPathError
            prints.extend(hashlib.blake2b(path.encode(), digest_size=8).digest())
            yield path

    try:
        paths = Texts(read())
    except _NoPathError:
        return None
    return paths if len(np.unique(np.frombuffer(prints, np.uint64))) == len(paths) else None


class _NoPathError(Exception):
    """A row's picture has no path."""


def _values(table: Dataset, column: Iterable[str]) -> Iterator[Any]:
    """The values of a column, without touching what else the rows hold."""
    import pyarrow.compute as pc

    first, *rest = column
    for rows in table.select_columns([first]).with_format("arrow").iter(_AT_ONCE):
        values = rows[first]
        for part in rest:
            names = [values.type.field(at).name for at in range(values.type.num_fields)]
            if part not in names:
                yield from [None] * len(rows)
                break
            values = pc.struct_field(values, [part])
        else:
            yield from values.to_pylist()


def _leaves(features: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every column, those inside structures too, with what it holds."""
    for name, feature in features.items():
        names = (*above, name)
        yield names, feature
        if isinstance(feature, dict) and not _holds_pictures(feature):
            yield from _leaves(feature, names)


def _holds_pictures(feature: Any) -> bool:
    if isinstance(feature, dict):
        return _type_of(feature.get("bytes")) in _BYTES and feature.keys() <= {"bytes", "path"}
    return type(feature).__name__ == "Image" or _type_of(feature) in _BYTES


def _type_of(feature: Any) -> str | None:
    return getattr(feature, "dtype", None) if type(feature).__name__ == "Value" else None


def _below(path: str, folder: Path | None) -> str:
    """A path without the folder that the set lies in, which may move or, downloaded, be called after its revision."""
    if folder is not None and path.startswith(f"{folder.as_posix()}/"):
        return path[len(folder.as_posix()) + 1 :]
    return _HUB_FOLDER.sub("", path, count=1)


def _name(text: str) -> str:
    """A key in one piece, fit for a file's name."""
    return "--".join(part for part in text.split("/") if part not in ("", ".", ".."))


def _row(number: int) -> str:
    return f"row-{number}"
