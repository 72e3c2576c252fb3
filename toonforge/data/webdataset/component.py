"""Pictures in shards, as WebDataset keeps sets that are too large for one disk or too many files for a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import Shape, component, param
from toonforge.data.held_out import HeldOut, check_fields, field_groups
from toonforge.data.reading.picture import shown
from toonforge.data.webdataset.samples import samples
from toonforge.errors import DataError, FieldError, Problem

if TYPE_CHECKING:
    from toonforge.data.picture_source import PictureSource
    from toonforge.data.webdataset.pictures import ShardPictures

Patterns = str | tuple[str, ...]


@component
class WebDataset(HeldOut):
    """Pictures in tar files (shards), where neighbours of one name are a sample: 0001.photo.jpg, 0001.cartoon.png.

    Where each picture lies is found once from the headers of the files and kept in the cache folder (TOONFORGE_CACHE,
    or the user's own), so the order is random over all shards and the same after a resume. Nothing is unpacked.
    Samples that lack a field are left out; a run says how many.
    """

    too_few_hint = "add samples, or name shards of validation pictures in validation_shards"

    shards: Patterns | Mapping[str, Patterns] = param(
        doc='the tar files: a path or several, with braces and stars: "disk*/train-{0000..0099}.tar"; or a table: '
        "batch field -> the tar files of its pictures, for fields that are not paired",
        place=True,
    )
    fields: Mapping[str, str] = param(
        doc='batch field -> what its members are called after the name of their sample: { photo = "photo.jpg" }; '
        '"jpg;jpeg;png" takes the first of these that a sample has'
    )
    paired: bool = param(
        True, doc="the pictures of a sample belong together and are cut alike; if false, each field is drawn by itself"
    )
    validation_shards: Patterns | Mapping[str, Patterns] | None = param(
        None, doc="tar files of validation pictures; none of `shards` are then held out for it", tiny=None, place=True
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        check_fields(self.fields, "the ending of its members")
        for field, given in self.fields.items():
            _check_endings(field, given)
        for key, shards in (("shards", self.shards), ("validation_shards", self.validation_shards)):
            if shards is not None:
                self._check_shards(key, shards)
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """One group, "pair", or a group a field where they are not paired or there is only one."""
        return self.with_filtered({g: dict.fromkeys(fields, self.picture_shape) for g, fields in self._fields.items()})

    def verify(self) -> None:
        """Raise `DataError` for shards that are missing or of no use, or hold too little; decode nothing.

        The first time, the headers of all shards are read.
        """
        super().verify()
        self.check_parts(self._pictures)
        if self.validation_shards is not None:
            self._check_apart()

    def build(self, split: str) -> PictureSource:
        """The pictures of one part; raises `DataError` as `verify` does."""
        return self.source(split, self._pictures(split))

    @property
    def _fields(self) -> Mapping[str, tuple[str, ...]]:
        return field_groups(self.fields, self.paired)

    def _pictures(self, split: str) -> Mapping[str, Mapping[str, ShardPictures]]:
        """Group -> field -> the pictures of one part, none empty."""
        self.check_split(split)
        apart = split == "validation" and self.validation_shards is not None
        given, key = (self.validation_shards, "validation_shards") if apart else (self.shards, "shards")
        problems: list[Problem] = []
        pictures = {}
        for group, fields in self._fields.items():
            own = given[group] if isinstance(given, Mapping) else given
            place = f"data.{key}.{group}" if isinstance(given, Mapping) else f"data.{key}"
            patterns = (own,) if isinstance(own, str) else tuple(own or ())
            try:
                found = samples(place, patterns, {field: _endings(self.fields[field]) for field in fields})
                pictures[group] = found if apart else self._held_out(split, found, place)
            except DataError as error:
                problems.extend(error.problems)
        if problems:
            raise DataError(*problems)
        return pictures

    def _held_out(self, split: str, found: Mapping[str, ShardPictures], key: str) -> Mapping[str, ShardPictures]:
        first = next(iter(found.values()))
        validation = None if self.validation_shards is None else 0.0
        count = f"{len(first)} sample{'s' * (len(first) > 1)}"
        chosen = self.choose(split, first, key=key, what=count, validation=validation)
        return {field: pictures.only(chosen) for field, pictures in found.items()}

    def _check_apart(self) -> None:
        """Raise `DataError` where a shard is for training and for validation."""
        parts = ("train", "validation")
        for group in self._fields:
            first = [next(iter(self._pictures(part)[group].values())) for part in parts]
            files = [{os.path.realpath(shard.path) for shard in pictures.members.shards} for pictures in first]
            if both := sorted(files[0] & files[1]):
                raise DataError(
                    Problem(
                        message=f"{len(both)} shard{'s are' if len(both) > 1 else ' is'} for training and validation",
                        key="data.validation_shards",
                        found=shown(both[0]),
                        expected="shards that none of the patterns in data.shards names",
                    )
                )

    def _check_shards(self, key: str, shards: Patterns | Mapping[str, Patterns]) -> None:
        if not isinstance(shards, Mapping):
            if not shards or not all(shards):
                raise FieldError(key, shards, "at least one path of tar files")
            return
        if self.paired and len(self.fields) > 1:
            hint = "set paired = false: pictures in shards of their own are not matched"
            raise FieldError(key, dict(shards), "a path or several, of shards that hold all fields", hint)
        if set(shards) != set(self.fields):
            raise FieldError(key, sorted(shards), f"the fields {', '.join(self.fields)}")


def _check_endings(field: str, given: str) -> None:
    for ending in given.split(";"):
        if not ending or ending.startswith(".") or "/" in ending or ending != ending.strip():
            hint = f"write {ending.lstrip('.')}" if ending.startswith(".") else None
            raise FieldError(f"fields.{field}", given, 'endings without the first dot: "photo.jpg", "jpg;png"', hint)


def _endings(given: str) -> tuple[str, ...]:
    return tuple(ending.lower() for ending in given.split(";"))
