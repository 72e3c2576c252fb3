"""Pictures in the rows of a table of the library `datasets`, as bytes or as paths, read without decoding the rest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from toonforge.data.files import file_version
from toonforge.data.reading.again import may_pass
from toonforge.data.reading.picture import read_picture, shown
from toonforge.errors import UnreadableImage

if TYPE_CHECKING:
    from pathlib import Path

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
        folders: where files that the table names may lie, absolute; relative paths are below the first.
        rows: which of them, in this order; all when left out.
    """

    draws_alone: ClassVar[bool] = True

    def __init__(
        self,
        table: Dataset,
        column: tuple[str, ...],
        names: Texts,
        place: str,
        folders: Sequence[Path] = (),
        rows: Indices | None = None,
    ) -> None:
        import numpy as np

        self.table = table.select_columns([column[0]]).with_format("arrow")
        self.column, self.names, self.place, self.folders = column, names, place, folders
        self.rows: Indices = np.arange(len(table)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int, short: int | None = None) -> Picture:
        """The picture; see `Pictures.read`."""
        data, path = self._cell(index)
        if data is not None:
            return read_picture(data.as_py(), short=short, name=self.where(index))
        if not path:
            raise UnreadableImage(self.where(index), "the cell is empty")
        return read_picture(self._file(index, path), short=short)

    def name(self, index: int) -> str:
        """The row's key in one piece."""
        return self.names[int(self.rows[index])]

    def where(self, index: int) -> str:
        """The table, the row counted from 0, and the column."""
        return f"{self.place}, row {self.rows[index]}, {'.'.join(self.column)}"

    def version(self, index: int) -> str:
        """The table in its state, the row and the column; of a picture in a file its path, size and time of change.

        No picture's bytes are read for it.
        """
        data, path = self._cell(index)
        if data is None and path:
            return file_version(self._file(index, path))
        return f"{self.where(index)}:{self.table._fingerprint}"

    def only(self, indices: Indices) -> Rows:
        """Some of the rows; the table is shared."""
        return Rows(self.table, self.column, self.names, self.place, self.folders, self.rows[indices])

    def _cell(self, index: int) -> tuple[Any, str | None]:
        """(bytes, path) of a picture, the bytes as Arrow's value; either may be missing.

        Raises:
            UnreadableImage: the table's file was cut short, or its disk is gone.
        """
        try:
            value: Any = self.table[int(self.rows[index])][0][0]
            for part in self.column[1:]:
                if not value.is_valid:
                    return None, None
                value = value[part]
            if not value.is_valid:
                return None, None
            if not hasattr(value, "keys"):
                return value, None
            data, path = value.get("bytes"), value.get("path")
            return data if data is not None and data.is_valid else None, None if path is None else path.as_py()
        except Exception as error:  # Arrow's own and the system's
            reason = str(error) or type(error).__name__
            raise UnreadableImage(self.where(index), reason, passing=may_pass(error)) from error

    def _file(self, index: int, path: str) -> str:
        """The file that a cell names; raises `UnreadableImage` where it lies elsewhere, or nobody knows where.

        A table from somewhere else must not make a run read what else is on this machine.
        """
        if "://" in path or not self.folders:
            hint = "; unpack the archive" if path.startswith("zip://") else ""
            raise UnreadableImage(self.where(index), f"{shown(path)} is no file of this set{hint}")
        file = os.path.abspath(os.path.join(self.folders[0], path))
        if not any(file.startswith(os.path.join(folder, "")) for folder in self.folders):
            raise UnreadableImage(self.where(index), f"{shown(path)} lies outside of the set's folder")
        return file
