"""List files and tables of pictures, read row by row into as little memory as their paths take."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import attrs

from toonforge.data.no_rows import Seen, nothing_left
from toonforge.data.pictures import Texts
from toonforge.data.reading.picture import shown
from toonforge.data.split import SPLITS
from toonforge.data.wanted import Wanted
from toonforge.errors import DataError, Location, Problem
from toonforge.names import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PLAIN_COLUMN = "path"
"""What the only column of a list without a header is called."""

_TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_MOST_PROBLEMS = 5

Row = tuple[int, Sequence[str]]
"""The line on which a row ends, counted from 1, and its cells."""


@attrs.frozen(kw_only=True)
class Table:
    """The rows that were wanted.

    Attributes:
        columns: the wanted columns' cells, one text a row, none empty.
        parts: of each row, as a number of `SPLITS`; None where no column says it.
    """

    columns: Mapping[str, Texts]
    parts: npt.NDArray[np.uint8] | None


def read_table(path: Path, wanted: Wanted) -> Table:
    """Read a table with a header (.csv, .tsv), or a list with one path a line (any other ending).

    Rows where a wanted column, or the column of the part, is empty are left out.

    Raises:
        DataError: the file is missing or no text, a column is missing, no row is left, or a row is not in order; says
            on which line.
    """
    import numpy as np

    parts, seen = array("B"), Seen()
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = _rows(path, file)
            header = next(rows, None)
            if header is None:
                raise DataError(Problem(message=f"the table {shown(path)} is empty", key="data.file"))
            places = _places(path, header, wanted)
            texts = Texts(_cells(path, rows, wanted, places, parts, seen))
    except OSError as error:
        there = path.exists()
        raise DataError(
            Problem(
                message=f"{shown(path)} {'cannot be read' if there else 'does not exist'}",
                key="data.file",
                found=(error.strerror or str(error)) if there else None,
                expected="a list of pictures: a text file with one path a line, a .csv or a .tsv",
                hint=None if there or path.is_absolute() else f"it is looked for in {shown(Path.cwd())}",
            )
        ) from error
    if not len(texts):
        raise DataError(*nothing_left(path, wanted, seen))
    numbers = np.arange(0, len(texts), len(wanted.columns))
    return Table(
        columns={column: texts.only(numbers + n) for n, column in enumerate(wanted.columns)},
        parts=None if wanted.part_column is None else np.frombuffer(parts.tobytes(), np.uint8),
    )


def _rows(path: Path, file: IO[str]) -> Iterator[Row]:
    """The header, then the rows."""
    if path.suffix.lower() not in _TABLES:
        yield 1, (PLAIN_COLUMN,)
        for number, line in enumerate(file, 1):
            if "\0" in line:
                raise _no_text(path, number)
            if text := line.rstrip("\r\n"):
                yield number, (text,)
        return
    first = file.readline()
    delimiter = _TABLES[path.suffix.lower()]
    if delimiter == "," and "," not in first and ";" in first:
        delimiter = ";"  # as spreadsheets write tables where the comma is the decimal sign
    reader = csv.reader(chain([first], file), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any("\0" in cell for cell in cells):
                raise _no_text(path, reader.line_num)
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        if "NUL" in str(error):
            raise _no_text(path, reader.line_num) from error
        raise DataError(
            Problem(message=f"the table cannot be read: {error}", where=_at(path, reader.line_num))
        ) from error


def _places(path: Path, header: Row, wanted: Wanted) -> Mapping[str, int]:
    """Column -> its place in the rows, for every column that is asked for, and "" -> how many there are."""
    line, names = header
    problems: list[Problem] = []
    for column, key in wanted.keys.items():
        if (count := list(names).count(column)) != 1:
            plain = path.suffix.lower() not in _TABLES
            wrong = f"there is no column {column!r}" if not count else f"{count} columns are called {column!r}"
            problems.append(
                Problem(
                    message="a list without a header has one column, called 'path'" if plain else wrong,
                    where=None if plain else _at(path, line),
                    key=key,
                    found=repr(column) if plain else f"the columns {', '.join(map(shown, names))}",
                    expected=repr(PLAIN_COLUMN) if plain else "the name of one of them",
                    hint="a table's file ends in .csv or .tsv" if plain else did_you_mean(column, names),
                )
            )
    if problems:
        raise DataError(*problems)
    return {"": len(names), **{column: list(names).index(column) for column in wanted.keys}}


def _cells(
    path: Path, rows: Iterable[Row], wanted: Wanted, places: Mapping[str, int], parts: array[int], seen: Seen
) -> Iterator[str]:
    """The wanted cells of one row after the other; `parts` grows by one a row, and `seen` counts all."""
    problems: list[Problem] = []
    count = places[""]
    columns = [places[column] for column in wanted.columns]
    conditions = [(column, places[column], value) for column, value in wanted.where.items()]
    part_at = None if wanted.part_column is None else places[wanted.part_column]
    for line, cells in rows:
        seen.rows += 1
        if len(cells) != count:
            problems.append(
                Problem(
                    message="the row does not fit the header",
                    where=_at(path, line),
                    found=_cells_of(len(cells)),
                    expected=_cells_of(count),
                )
            )
        elif seen.fits(cells, conditions) and all(cells[at] for at in columns):
            if part_at is None:
                yield from (cells[at] for at in columns)
            elif (part := cells[part_at]) in SPLITS:
                parts.append(SPLITS.index(part))
                yield from (cells[at] for at in columns)
            elif part:
                problems.append(
                    Problem(
                        message=f"the column {wanted.part_column!r} holds no part",
                        where=_at(path, line),
                        key="data.part_column",
                        found=repr(part),
                        expected=f"{', '.join(SPLITS)}, or nothing to leave the row out",
                        hint=did_you_mean(part, SPLITS),
                    )
                )
        if len(problems) == _MOST_PROBLEMS:
            break
    if problems:
        raise DataError(*problems)


def _cells_of(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def _no_text(path: Path, line: int) -> DataError:
    return DataError(
        Problem(
            message="the list is not text in UTF-8",
            where=_at(path, line),
            found="a zero byte",
            hint="save it anew as UTF-8 (or as CSV UTF-8)",
        )
    )


def _at(path: Path, line: int) -> Location:
    return Location(shown(path), max(line, 1))
