"""Data sets in folders of the user's own: unpaired pictures, or pairs matched by file name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Shape, component, param
from toonforge.data.held_out import HeldOut, check_fields
from toonforge.data.listing import Listed, list_folder, matched
from toonforge.data.picture_source import PictureSource
from toonforge.errors import DataError, FieldError, Problem

if TYPE_CHECKING:
    from toonforge.data.files import Files


@component
class Folders(HeldOut):
    """Base of data sets in folders: finds the pictures and holds some out."""

    too_few_hint: ClassVar[str] = "add pictures, or name folders of validation pictures in validation_fields"

    fields: Mapping[str, str] = param(
        doc="batch field -> folder of its pictures (folders below it included); relative to the current directory",
        place=True,
    )
    validation_fields: Mapping[str, str] | None = param(
        None, doc="folders of validation pictures, one a field; none of `fields` are then held out for it", place=True
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_fields(self.fields, "its folder")
        if self.validation_fields is not None and set(self.validation_fields) != set(self.fields):
            raise FieldError("validation_fields", sorted(self.validation_fields), f"the fields {sorted(self.fields)}")

    def verify(self) -> None:
        """Raise `DataError` for folders that are missing, empty or too small to hold some out; decode nothing."""
        super().verify()
        listed: dict[bool, Mapping[str, Listed]] = {}  # a folder is listed once, whichever parts come out of it

        def find(split: str) -> None:
            apart = self._apart(split)
            if apart not in listed:
                listed[apart] = self._listed(split)
            self._pictures(split, listed[apart])

        self.check_parts(find)

    def _pictures(self, split: str, listed: Mapping[str, Listed]) -> Mapping[str, Files]:
        """Field -> the pictures of one part, none empty. `listed`: what the folders for this part hold."""
        raise NotImplementedError

    def _apart(self, split: str) -> bool:
        """Whether this part has folders of its own."""
        return split == "validation" and self.validation_fields is not None

    def _listed(self, split: str) -> dict[str, Listed]:
        """Field -> what its folder for this part holds, before anything is held out."""
        self.check_split(split)
        folders = (self.validation_fields if self._apart(split) else None) or self.fields
        problems: list[Problem] = []
        listed: dict[str, Listed] = {}
        for field, given in folders.items():
            key = f"data.{'fields' if folders is self.fields else 'validation_fields'}.{field}"
            try:
                listed[field] = list_folder(key, Path(given).expanduser())
            except DataError as error:
                problems.extend(error.problems)
        if problems:
            raise DataError(*problems)
        return listed

    def _chosen(self, split: str, pictures: Files, key: str, what: str) -> Files:
        """Those of the pictures that belong to this part."""
        if self.validation_fields is None:
            return pictures.only(self.choose(split, pictures, key=key, what=what))
        if split == "validation":
            return pictures
        return pictures.only(self.choose(split, pictures, key=key, what=what, validation=0))


@component
class UnpairedFolders(Folders):
    """Pictures of several kinds, drawn independently of each other: a folder a field, each a group of its own."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """Every field is a group of its own."""
        return self.with_filtered({field: {field: self.picture_shape} for field in self.fields})

    def build(self, split: str) -> PictureSource:
        """The pictures of one part; raises `DataError` as `verify` does."""
        groups = {field: {field: pictures} for field, pictures in self._pictures(split, self._listed(split)).items()}
        return self.source(split, groups)

    def _pictures(self, split: str, listed: Mapping[str, Listed]) -> Mapping[str, Files]:
        chosen: dict[str, Files] = {}
        problems: list[Problem] = []
        for field, folder in listed.items():
            try:
                chosen[field] = self._chosen(split, folder.pictures, folder.key, folder.what)
            except DataError as error:
                problems.extend(error.problems)
        if problems:
            raise DataError(*problems)
        return chosen


@component
class PairedFolders(Folders):
    """Pairs of pictures: a folder a field, matched by file name (its ending aside), scaled and cut alike.

    The sides of a pair may differ in size, not in aspect: all are scaled to the first's size.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if len(self.fields) < 2:
            raise FieldError("fields", list(self.fields), "at least two batch fields and their folders")
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """One group, "pair", with every field."""
        return self.with_filtered({"pair": dict.fromkeys(self.fields, self.picture_shape)})

    def build(self, split: str) -> PictureSource:
        """The pairs of one part; raises `DataError` as `verify` does."""
        return self.source(split, {"pair": self._pictures(split, self._listed(split))})

    def _pictures(self, split: str, listed: Mapping[str, Listed]) -> Mapping[str, Files]:
        what = f"{len(next(iter(listed.values())).pictures)} pairs"
        key = next(iter(listed.values())).key
        return {field: self._chosen(split, side, key, what) for field, side in matched(listed).items()}
