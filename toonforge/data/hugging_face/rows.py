"""Pictures in the rows of a table of the library `datasets`, as bytes or as paths, read without decoding the rest."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from toonforge.data.reading.picture import read_picture, shown
from toonforge.errors import UnreadableImage

if TYPE_CHECKING:
    from datasets import Dataset

    from toonforge.data.pictures import Indices, Texts
    from toonforge.data.transforms import Picture


class Rows:
    """One column of pictures, as `toonforge.data.pictures.Pictures` describes.

    Args:
        table: with that column; its pictures are read as Arrow holds them.
        column: the names that lead to the pictures: of the column, then of structures inside it.
        names: of the rows.
        place: what the table is called in messages.
        rows: which of them, in this order; all when left out.
    """

    def __init__(
        self, table: Dataset, column: tuple[str, ...], names: Texts, place: str, rows: Indices | None = None
    ) -> None:
        import numpy as np

        self.table = table.select_columns([column[0]]).with_format("arrow")
        self.column, self.names, self.place = column, names, place
        self.rows: Indices = np.arange(len(table)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int, short: int | None = None) -> Picture:
        """The picture; see `Pictures.read`."""
        where = self.where(index)
        try:
            data, path = self._cell(index)
        except Exception as error:  # Arrow's own: the table's file was cut short, or its disk is gone
            raise UnreadableImage(where, str(error) or type(error).__name__) from error
        if data is None and not path:
            raise UnreadableImage(where, "the cell is empty")
        if data is None:
            return read_picture(path or "", short=short)
        return read_picture(data, short=short, name=where)

    def name(self, index: int) -> str:
        """The row's key in one piece."""
        return self.names[int(self.rows[index])]

    def where(self, index: int) -> str:
        """The table, the row counted from 0, and the column."""
        return f"{self.place}, row {self.rows[index]}, {'.'.join(self.column)}"

    def version(self, index: int) -> str:
        """A digest of the picture's bytes; of a picture in a file its absolute path, size and time of change."""
        data, path = self._cell(index)
        if data is not None:
            return hashlib.blake2b(data, digest_size=16).hexdigest()
        path = os.path.abspath(path or "")
        try:
            status = os.stat(path)
        except OSError:
            return shown(path)
        return f"{path}:{status.st_size}:{status.st_mtime_ns}"

    def only(self, indices: Indices) -> Rows:
        """Some of the rows; the table is shared."""
        return Rows(self.table, self.column, self.names, self.place, self.rows[indices])

    def _cell(self, index: int) -> tuple[bytes | None, str | None]:
        """(bytes, path) of a picture; either may be missing."""
        cell: Any = self.table[int(self.rows[index])][0][0]
        for part in self.column[1:]:
            if not cell.is_valid:
                return None, None
            cell = cell[part]
        value = cell.as_py()
        if isinstance(value, dict):
            return value.get("bytes"), value.get("path")
        return value, None
