"""Why no row of a table is left to train from: what the rows hold, in place of what the recipe asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from toonforge.data.reading.picture import shown
from toonforge.data.wanted import Wanted
from toonforge.errors import Problem
from toonforge.names import did_you_mean

_NAMED = 5


@attrs.define
class Seen:
    """What a table holds, counted while its rows are read.

    Attributes:
        rows: how many there are.
        fitting: in how many of them every column of `where` has its value.
        values: column of `where` -> the first other values that it has.
        has: columns of `where` that have their value somewhere.
    """

    rows: int = 0
    fitting: int = 0
    values: dict[str, dict[str, None]] = attrs.field(factory=dict)
    has: set[str] = attrs.field(factory=set)

    def fits(self, cells: Sequence[str], conditions: Sequence[tuple[str, int, str]]) -> bool:
        """Whether the columns of `where` have their values in a row: (column, its place, its value) each."""
        fits = True
        for column, at, value in conditions:
            if cells[at] == value:
                self.has.add(column)
                continue
            fits = False
            values = self.values.setdefault(column, {})
            if len(values) <= _NAMED:
                values[cells[at]] = None
        self.fitting += fits
        return fits


def nothing_left(path: Path, wanted: Wanted, seen: Seen) -> Iterator[Problem]:
    """Why no row of the table at `path` is left."""
    if not seen.rows:
        yield Problem(message=f"{shown(path)} lists no pictures", key="data.file", found="no rows")
    elif absent := [column for column in wanted.where if column not in seen.has]:
        for column in absent:
            yield _absent(path, column, wanted.where[column], list(seen.values[column]))
    elif not seen.fitting:
        every = " and ".join(f"{value!r} in the column {column!r}" for column, value in wanted.where.items())
        yield Problem(message=f"no row of {shown(path)} has {every}", key="data.where", found="each in other rows")
    else:
        columns = [*wanted.columns, *([] if wanted.part_column is None else [wanted.part_column])]
        named = " and ".join(map(repr, columns))
        yield Problem(
            message=f"no row of {shown(path)} has {named} filled",
            key=next(iter(wanted.columns.values())),
            found=f"{seen.fitting:,} row{'s' * (seen.fitting != 1)}, each with an empty cell",
        )


def _absent(path: Path, column: str, value: str, others: Sequence[str]) -> Problem:
    named = [repr(other) if other else "nothing" for other in others[:_NAMED]]
    return Problem(
        message=f"no row of {shown(path)} has {value!r} in the column {column!r}",
        key=f"data.where.{column}",
        found=shown(", ".join(named) + (" and others" if len(others) > _NAMED else "")),
        hint=did_you_mean(value, others),
    )
