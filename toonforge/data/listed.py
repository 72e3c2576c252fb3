"""Pictures that a list or a table names: made by hand, by a script, or by the verbs of `toonforge data`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.data.files import Files, item_name
from toonforge.data.held_out import HeldOut, check_fields, field_groups
from toonforge.data.not_there import not_there
from toonforge.data.picture_source import PictureSource
from toonforge.data.reading.picture import shown
from toonforge.data.split import SPLITS
from toonforge.data.tables import PLAIN_COLUMN, Table, read_table
from toonforge.data.wanted import Wanted
from toonforge.errors import DataError, FieldError, Problem

if TYPE_CHECKING:
    from toonforge.data.pictures import Indices

_LOOKED_FOR = 50


@component
class ListedPictures(HeldOut):
    """Pictures named in a table (.csv, .tsv) with a header, or in a text file with one path a line.

    A manifest.csv of the `toonforge data` verbs is such a table: `fields = { photo = "output" }` trains on what a verb
    wrote, `where = { action = "kept" }` on what `filter` and `dedupe` kept. Rows with an empty cell are left out.
    """

    too_few_hint = "add rows, or say each row's part in a column of its own: part_column"

    file: str = param(
        doc="the list; relative to the current directory. Paths in it are relative to the folder that it lies in",
        place=True,
    )
    fields: Mapping[str, str] = param(
        doc='batch field -> column of its pictures: { photo = "photo", cartoon = "drawing" }; '
        f'the one column of a text file is called "{PLAIN_COLUMN}"'
    )
    paired: bool = param(
        True, doc="the pictures of a row belong together and are cut alike; if false, each field is drawn by itself"
    )
    folders: Mapping[str, str] = param(
        dict, doc="batch field -> folder that its paths are relative to, where that is not the list's own", place=True
    )
    part_column: str | None = param(
        None,
        doc="column that says of each row: train, validation or test; the shares below are then not used",
    )
    where: Mapping[str, str] = param(
        dict, doc='column -> the value a row must have there to be used: { action = "kept" }'
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_fields(self.fields, "its column")
        for field in self.folders:
            if field not in self.fields:
                raise FieldError("folders", field, f"fields among {', '.join(self.fields)}")
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """One group, "pair", or a group a field where they are not paired or there is only one."""
        return self.with_filtered({g: dict.fromkeys(fields, self.picture_shape) for g, fields in self._fields.items()})

    def verify(self) -> None:
        """Raise `DataError` for a list that is missing, not in order or too short, or that names no file that is there.

        Only some of the files are looked for, and none is decoded.
        """
        super().verify()
        problems: dict[tuple[str, str | None], Problem] = {}
        tables = self._tables()
        for split in self._splits(tables):
            try:
                for field, pictures in self._pictures(split, tables).items():
                    self._look_for(field, pictures)
            except DataError as error:
                for problem in error.problems:  # each part finds the same one, in other rows
                    problems.setdefault((problem.message, problem.key), problem)
        if problems:
            raise DataError(*problems.values())

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts that the column of parts names, or those that the shares make.

        Raises:
            DataError: the list cannot be read.
        """
        return super().splits if self.part_column is None else self._splits(self._tables())

    def _splits(self, tables: Mapping[str, Table]) -> tuple[str, ...]:
        parts = [table.parts for table in tables.values() if table.parts is not None]
        if not parts:
            return super().splits
        return SPLITS if all((part == SPLITS.index("test")).any() for part in parts) else SPLITS[:2]

    def check_split(self, split: str) -> None:
        """As every data set's; a column of parts may hold any of them."""
        if self.part_column is None or split not in SPLITS:
            super().check_split(split)

    def build(self, split: str) -> PictureSource:
        """The pictures of one part; raises `DataError` as `verify` does."""
        self.check_split(split)
        pictures = self._pictures(split, self._tables())
        groups = {group: {field: pictures[field] for field in fields} for group, fields in self._fields.items()}
        return self.source(split, groups)

    @property
    def _fields(self) -> Mapping[str, tuple[str, ...]]:
        return field_groups(self.fields, self.paired)

    def _tables(self) -> Mapping[str, Table]:
        """Group -> the rows in which all its columns are filled."""
        tables: dict[str, Table] = {}
        for group, fields in self._fields.items():
            columns = {self.fields[field]: f"data.fields.{field}" for field in fields}
            wanted = Wanted(columns=columns, part_column=self.part_column, where=self.where)
            tables[group] = read_table(self._file, wanted)
        return tables

    def _pictures(self, split: str, tables: Mapping[str, Table]) -> Mapping[str, Files]:
        """Field -> the pictures of one part, none empty."""
        chosen: dict[str, Files] = {}
        problems: list[Problem] = []
        for group, fields in self._fields.items():
            table = tables[group]
            files = {field: ListedFiles(table.columns[self.fields[field]], self._folder(field)) for field in fields}
            first, *_ = fields
            try:
                rows = self._rows(split, first, files[first], table)
            except DataError as error:
                problems.extend(error.problems)
                continue
            chosen.update({field: theirs.only(rows) for field, theirs in files.items()})
        if problems:
            raise DataError(*problems)
        return chosen

    def _rows(self, split: str, field: str, pictures: Files, table: Table) -> Indices:
        import numpy as np

        key, what = f"data.fields.{field}", f"{len(pictures)} in {shown(self._file)}"
        if table.parts is None:
            return self.choose(split, pictures, key=key, what=what)
        rows = np.flatnonzero(table.parts == SPLITS.index(split))
        if not len(rows):
            raise DataError(
                Problem(
                    message=f"no row of {shown(self._file)} is for {split}",
                    key="data.part_column",
                    found=what,
                    expected=f"at least one with {split!r} in the column {self.part_column!r}",
                )
            )
        return rows

    def _look_for(self, field: str, pictures: Files) -> None:
        """Raise `DataError` where none of some pictures is there."""
        step = max(1, len(pictures) // _LOOKED_FOR)
        some = range(0, len(pictures), step)
        if not any(os.path.exists(pictures.path(index)) for index in some):
            cells = [pictures.paths[index] for index in some]
            raise DataError(not_there(self._file, field, self._folder(field), cells))

    def _folder(self, field: str) -> Path:
        """What the paths of a field are relative to."""
        return Path(self.folders[field]).expanduser() if field in self.folders else self._file.parent

    @property
    def _file(self) -> Path:
        return Path(self.file).expanduser()


class ListedFiles(Files):
    """Files named by the paths in a list, whole or relative to its folder."""

    def name(self, index: int) -> str:
        """The path as it is listed, without the ending and what leads out of the folder, in one piece."""
        parts = self.paths[index].split("/")
        return item_name("/".join(part for part in parts if part not in ("", ".", "..")))

    def only(self, indices: Indices) -> ListedFiles:
        """Some of the files."""
        return ListedFiles(self.paths.only(indices), self.folder)
