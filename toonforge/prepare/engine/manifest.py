"""OUT/manifest.csv: what became of every file, appended to while working, and what the next call goes on from."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from numbers import Integral
from pathlib import Path, PurePosixPath

import attrs

from toonforge.cells import cell
from toonforge.cells import content as content_of
from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem
from toonforge.files import write_atomic
from toonforge.prepare.engine.task import Figure, Outcome

CSV, JSON = "manifest.csv", "manifest.json"
"""The two files of a manifest, directly in OUT."""

COLUMNS = ("source", "action", "output", "reason", "bytes", "modified", "output_bytes")
"""What every verb writes; its own figures follow."""


@attrs.frozen(kw_only=True)
class Row:
    """One row of the manifest.

    Attributes:
        source: posix path below the source folder.
        action, output, reason: as in `Outcome`.
        bytes, modified: of the source when it was worked on: its size, and its time in nanoseconds; 0 where the
            system did not say.
        output_bytes: size of all that was written for it, to tell when that is changed by someone else.
        figures: column -> value. Text that reads as a number is one, whether it was just made or read from the file;
            `str` gives the text.
    """

    source: str
    action: str
    output: str = ""
    reason: str = ""
    bytes: int = 0
    modified: int = 0
    output_bytes: int = 0
    figures: Mapping[str, Figure] = attrs.field(factory=dict)

    def outputs(self, places: Sequence[str] = ()) -> tuple[str, ...]:
        """What was written: posix paths below OUT.

        Args:
            places: columns that name outputs too.
        """
        named = dict.fromkeys((self.output, *(str(self.figures.get(column, "")) for column in places)))
        return tuple(output for output in named if is_below(output))


def row_of(source: str, outcome: Outcome, size: int, modified: int, columns: Sequence[str]) -> Row:
    """The row of an outcome, as it will be read back.

    Raises:
        ValueError: the outcome has a figure that is no column, or an output outside OUT.
    """
    if strange := outcome.figures.keys() - set(columns):
        raise ValueError(f"figures without a column: {', '.join(sorted(strange))}")
    if outcome.output and not is_below(outcome.output):
        raise ValueError(f"an output outside OUT: {outcome.output!r}")
    return Row(
        source=source,
        action=one_line(outcome.action),
        output=outcome.output,
        reason=one_line(outcome.reason),
        bytes=size,
        modified=modified,
        figures={name: parse(text(outcome.figures.get(name, ""))) for name in columns},
    )


def is_below(output: str) -> bool:
    """Whether an output column names a file below OUT, and nothing else: no absolute path, no `..`."""
    path = PurePosixPath(output)
    if not output or "\0" in output or str(path) != output or path.is_absolute() or {"..", "."} & {*path.parts}:
        return False
    return os.sep == "/" or not re.search(r"[\\:]", output)


def text(figure: Figure) -> str:
    """A figure as it is written; NumPy's numbers like Python's."""
    if isinstance(figure, str):
        return shown(figure)
    if isinstance(figure, bool):
        return "yes" if figure else "no"
    whole: object = figure
    return str(int(figure)) if isinstance(whole, Integral) else repr(float(figure))


def parse(written: str) -> Figure:
    """A figure as it is read: a number where exactly that number is written so."""
    for kind in (int, float):
        try:
            value: Figure = kind(written)
        except ValueError:
            continue
        if (str(value) if kind is int else repr(value)) == written:
            return value
    return written


def one_line(words: str) -> str:
    r"""On one line and printable, whatever a decoder says and a file is called: a line's end comes out as ``\n``."""
    return _ODD.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), shown(words))


_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def read(path: Path, columns: Sequence[str]) -> tuple[tuple[Row, ...], bool]:
    """The rows of a manifest, and whether all of it was usable.

    Rows that are torn or name an output outside OUT are left out; so are all rows of the last source where the
    file ends in the middle of a row. The columns may stand in any order, as a spreadsheet may have left them.

    Raises:
        DataError: it is no manifest of a verb with these columns.
    """
    if not path.is_file():
        return (), False
    content = path.read_bytes().decode("utf-8-sig", "replace")
    reader = csv.reader(io.StringIO(content, newline=""))
    rows: list[Row] = []
    whole = True
    try:
        header = next(reader, [])
        if sorted(header) != sorted((*COLUMNS, *columns)):
            raise DataError(
                Problem(
                    message=f"{path} has other columns",
                    found=", ".join(header)[:200] or "an empty file",
                    expected=", ".join((*COLUMNS, *columns)),
                    hint="--force begins anew, or give another folder with -o",
                )
            )
        for cells in reader:
            row = _row(dict(zip(header, cells)), columns) if len(cells) == len(header) else None
            whole = whole and row is not None
            if row is not None:
                rows.append(row)
    except csv.Error:
        whole = False
    if not content.endswith("\n"):
        whole = False
        last = rows[-1].source if rows else ""
        while rows and rows[-1].source == last:  # perhaps not all that there were
            rows.pop()
    return tuple(rows), whole


def outputs_named(path: Path, places: Sequence[str] = ()) -> tuple[str, ...]:
    """Every output below OUT that a manifest names, whatever else is wrong with it. `places`: as `Row.outputs`."""
    found: list[str] = []
    with suppress(OSError, csv.Error):
        content = path.read_bytes().decode("utf-8-sig", "replace")
        for cells in csv.DictReader(io.StringIO(content, newline="")):
            named = (content_of(cells.get(column) or "") for column in ("output", *places))
            found += filter(is_below, named)
    return tuple(found)


def _row(cells: Mapping[str, str], columns: Sequence[str]) -> Row | None:
    try:
        size, modified, written = (int(cells[column]) for column in ("bytes", "modified", "output_bytes"))
    except ValueError:
        return None
    action, output, reason = (content_of(cells[column]) for column in ("action", "output", "reason"))
    if not cells["source"] or (output and not is_below(output)):
        return None
    return Row(
        source=cells["source"].removeprefix("./"),
        action=action,
        output=output,
        reason=reason,
        bytes=size,
        modified=modified,
        output_bytes=written,
        figures={name: parse(content_of(cells[name])) for name in columns},
    )


def lines(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """Rows as text."""
    stream = io.StringIO()
    plain = csv.writer(stream, lineterminator="\n")
    quoting = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        own = [_cell(row.figures.get(name, "")) for name in columns]
        sizes = (row.bytes, row.modified, row.output_bytes)
        # A lone "\r", which a file's name may hold, ends a row unless it is quoted.
        writer = quoting if any("\r" in words for words in (row.source, row.output, *own)) else plain
        # A path with a dot before it is the same path, for whoever reads the table.
        source = row.source if cell(row.source) == row.source else f"./{row.source}"
        writer.writerow([source, cell(row.action), cell(row.output), cell(row.reason), *sizes, *own])
    return stream.getvalue()


def _cell(figure: Figure) -> str:
    """A figure as it stands in the table; a number below 0 begins like a formula, and is one number."""
    written = text(figure)
    return str(cell(written)) if isinstance(parse(written), str) else written


def write(path: Path, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Replace the manifest, whole."""
    write_atomic(path, ",".join((*COLUMNS, *columns)) + "\n" + lines(rows, columns))


def is_alone(path: Path) -> bool:
    """Whether what is appended to a file changes nothing elsewhere: it is no link, and has no second name."""
    found = os.lstat(path)
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


class Journal:
    """The manifest while it is appended to: a block of rows is there or, but for a power cut, not at all."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._columns = columns
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))

    def append(self, rows: Sequence[Row]) -> None:
        """Add the rows of one source. Raises `OSError` where the disk is full; the file is then as it was."""
        data = lines(rows, self._columns).encode("utf-8")
        before = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        """Done with it."""
        os.close(self._file)
