"""Pictures that the library `datasets` loads: folders with metadata, Parquet files, sets of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.data.held_out import HeldOut, check_fields, field_groups
from toonforge.data.hugging_face.columns import picture_column, row_names
from toonforge.data.hugging_face.place import Place
from toonforge.data.hugging_face.rows import Rows
from toonforge.errors import DataError, FieldError, Problem
from toonforge.extras import need
from toonforge.names import did_you_mean

if TYPE_CHECKING:
    from datasets import Dataset

    from toonforge.data.picture_source import PictureSource


@component
class HuggingFace(HeldOut):
    """Pictures in a data set of the library `datasets` (toonforge[hugging-face]).

    Its table is mapped from the disk into memory, and its pictures are decoded as files are. It is never streamed: the
    order must be the same after a resume. Code that a set brings along is never run. On the hub, a private or gated
    set wants `hf auth login` or HF_TOKEN; HF_HUB_OFFLINE=1 uses what an earlier run has downloaded.

    Which part a row is in is decided by its value in the column `key`; without one by its picture's path; where
    pictures have none, or not each its own, by the row's number: rows put in between then move others to another part.
    """

    too_few_hint = "add rows, or name a split of validation pictures in validation_split"

    path: str = param(
        doc="a folder of pictures, with or without a metadata.csv; a folder of Parquet files or a path such as "
        '"data/*.parquet"; or a name on the Hugging Face hub such as "user/set"',
        place=True,
    )
    fields: Mapping[str, str] = param(
        doc='batch field -> column of its pictures: { photo = "image" }; "pair.photo" is inside a structure'
    )
    paired: bool = param(
        True, doc="the pictures of a row belong together and are cut alike; if false, each field is drawn by itself"
    )
    name: str | None = param(None, doc="configuration of the set, where it has several")
    revision: str | None = param(None, doc="on the hub: branch, tag or commit; a commit makes runs repeatable")
    split: str = param("train", doc='split of the set that is used; "train[:1000]" takes a part')
    validation_split: str | None = param(
        None, doc="split of the set with validation pictures; none of `split` are then held out for it", tiny=None
    )
    key: str | None = param(
        None, doc="column whose values decide which part a row is in; rows of one value stay together"
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_fields(self.fields, "its column")
        if not self.path:
            raise FieldError("path", self.path, "a folder, Parquet files, or a name on the hub")
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """One group, "pair", or a group a field where they are not paired or there is only one."""
        return self.with_filtered({g: dict.fromkeys(fields, self.picture_shape) for g, fields in self._fields.items()})

    def verify(self) -> None:
        """Raise `ToonforgeError` where packages, files or columns are missing; load nothing, and leave the hub alone.

        Columns are looked for in Parquet files alone, which name them.
        """
        super().verify()
        need("datasets", 'the data set "hugging-face" needs')
        self._place.verify()
        if files := self._place.parquet:
            self._look_for_columns(files[0])

    def build(self, split: str) -> PictureSource:
        """The pictures of one part.

        Raises:
            DataError: the set cannot be loaded, lacks a column, or has too few rows.
        """
        self.check_split(split)
        need("datasets", 'the data set "hugging-face" needs')
        apart = split == "validation" and self.validation_split is not None
        of_set, key = (self.validation_split or "", "data.validation_split") if apart else (self.split, "data.split")
        table = self._place.load(of_set, key)
        columns = {field: picture_column(table, name, f"data.fields.{field}") for field, name in self.fields.items()}
        if not len(table):
            raise DataError(Problem(message=f"the split {of_set!r} of {self._place.shown} has no rows", key=key))
        groups = {}
        for group, fields in self._fields.items():
            rows = self._rows(table, {field: columns[field] for field in fields}, of_set)
            groups[group] = rows if apart else self._held_out(split, rows, key)
        return self.source(split, groups)

    @property
    def _place(self) -> Place:
        return Place(path=self.path, name=self.name, revision=self.revision)

    @property
    def _fields(self) -> Mapping[str, tuple[str, ...]]:
        return field_groups(self.fields, self.paired)

    def _rows(self, table: Dataset, columns: Mapping[str, tuple[str, ...]], split: str) -> Mapping[str, Rows]:
        first = next(iter(columns.values()))
        names = row_names(table, first, self.key, self._place.local)
        place = f"{self._place.shown}, {split}"
        return {field: Rows(table, column, names, place, self._place.folders) for field, column in columns.items()}

    def _held_out(self, split: str, rows: Mapping[str, Rows], key: str) -> Mapping[str, Rows]:
        first = next(iter(rows.values()))
        validation = None if self.validation_split is None else 0.0
        count = f"{len(first)} row{'s' * (len(first) > 1)}"
        chosen = self.choose(split, first, key=key, what=count, validation=validation)
        return {field: theirs.only(chosen) for field, theirs in rows.items()}

    def _look_for_columns(self, file: str) -> None:
        """Raise `DataError` where a Parquet file lacks a column."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            there = pq.read_schema(file).names
        except (OSError, pa.ArrowException):  # damaged: loading says how
            return
        wanted = {f"data.fields.{field}": name for field, name in self.fields.items()}
        if self.key is not None:
            wanted["data.key"] = self.key
        problems = [
            Problem(
                message=f"there is no column {name!r}", key=key, found=", ".join(there), hint=did_you_mean(name, there)
            )
            for key, name in wanted.items()
            if name not in there and name.partition(".")[0] not in there
        ]
        if problems:
            raise DataError(*problems)
