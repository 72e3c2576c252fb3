"""Data sets in folders of the user's own: unpaired pictures, or pairs matched by file name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import attrs

from toonforge.components import Shape, component, param
from toonforge.data.files import FileSource, item_name
from toonforge.data.picture_set import PictureSet
from toonforge.data.reading import SUFFIXES, list_pictures, shown
from toonforge.data.split import held_out
from toonforge.errors import DataError, FieldError, Problem
from toonforge.names import is_identifier

_NAMED = 5


@attrs.frozen(kw_only=True)
class _Listed:
    """A folder's pictures: (name, file), sorted. `key` is where the recipe names the folder."""

    key: str
    folder: Path
    pictures: tuple[tuple[str, Path], ...]


@component
class Folders(PictureSet):
    """Base of data sets in folders: finds the pictures and holds some out."""

    fields: Mapping[str, str] = param(
        doc="batch field -> folder of its pictures (folders below it included); relative to the current directory"
    )
    validation: float = param(
        0.1,
        doc="share of the pictures held out for validation; a file's name decides, so adding files moves none",
        above=0,
        below=1,
    )
    validation_fields: Mapping[str, str] | None = param(
        None, doc="folders of validation pictures, one a field; nothing is then held out of `fields`"
    )
    split_seed: int = param(0, doc="another number holds out other pictures", at_least=0)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not self.fields:
            raise FieldError("fields", {}, "at least one batch field and its folder")
        for field in self.fields:
            if not is_identifier(field):
                raise FieldError("fields", field, "a name of letters, digits and underscores")
        if self.validation_fields is not None and set(self.validation_fields) != set(self.fields):
            raise FieldError("validation_fields", sorted(self.validation_fields), f"the fields {sorted(self.fields)}")

    def verify(self) -> None:
        """Raise `DataError` for folders that are missing, empty or too small to hold some out; decode nothing."""
        problems: list[Problem] = []
        for split in ("train", "validation"):
            try:
                self._files(split)
            except DataError as error:
                problems.extend(problem for problem in error.problems if problem not in problems)
        if problems:
            raise DataError(*problems)

    def _files(self, split: str) -> dict[str, list[tuple[str, Path]]]:
        """Field -> (name, file) of one part, none empty."""
        raise NotImplementedError

    def _listed(self, split: str) -> dict[str, _Listed]:
        """Field -> what its folder for this part holds, before anything is held out."""
        if split not in ("train", "validation"):
            raise ValueError(f"unknown split {split!r}: there are 'train' and 'validation'")
        apart = split == "validation" and self.validation_fields is not None
        folders = (self.validation_fields if apart else None) or self.fields
        problems: list[Problem] = []
        listed: dict[str, _Listed] = {}
        for field, given in folders.items():
            key = f"data.{'validation_fields' if apart else 'fields'}.{field}"
            try:
                listed[field] = _list(key, Path(given).expanduser())
            except DataError as error:
                problems.extend(error.problems)
        if problems:
            raise DataError(*problems)
        return listed

    def _part(self, split: str, names: list[str], key: str, what: str) -> frozenset[str]:
        """Those of the names that belong to this part."""
        if self.validation_fields is not None:
            return frozenset(names)
        if len(set(names)) < 2:
            raise DataError(
                Problem(
                    message="there are too few pictures to hold some out for validation",
                    key=key,
                    found=what,
                    expected="at least 2",
                    hint="add pictures, or name folders of validation pictures in validation_fields",
                )
            )
        held = held_out(names, self.validation, self.split_seed)
        return held if split == "validation" else frozenset(names) - held


@component
class UnpairedFolders(Folders):
    """Pictures of several kinds, drawn independently of each other: a folder a field, each a group of its own."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """Every field is a group of its own."""
        return self.with_filtered({field: {field: self.picture_shape} for field in self.fields})

    def build(self, split: str) -> FileSource:
        """The pictures of one part; raises `DataError` as `verify` does."""
        files = self._files(split)
        return FileSource(
            {field: {field: [file for _, file in files[field]]} for field in self.fields},
            self.geometry(split),
            {field: [name for name, _ in files[field]] for field in self.fields},
            self.filtered,
        )

    def _files(self, split: str) -> dict[str, list[tuple[str, Path]]]:
        files: dict[str, list[tuple[str, Path]]] = {}
        problems: list[Problem] = []
        for field, listed in self._listed(split).items():
            names = [name for name, _ in listed.pictures]
            what = f"{len(names)} in {shown(listed.folder)}"
            try:
                part = self._part(split, names, listed.key, what)
            except DataError as error:
                problems.extend(error.problems)
                continue
            files[field] = [(name, file) for name, file in listed.pictures if name in part]
        if problems:
            raise DataError(*problems)
        return files


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

    def build(self, split: str) -> FileSource:
        """The pairs of one part; raises `DataError` as `verify` does."""
        files = self._files(split)
        return FileSource(
            {"pair": {field: [file for _, file in files[field]] for field in self.fields}},
            self.geometry(split),
            {"pair": [name for name, _ in next(iter(files.values()))]},
            self.filtered,
        )

    def _files(self, split: str) -> dict[str, list[tuple[str, Path]]]:
        listed = self._listed(split)
        _check_matched(listed)
        first = next(iter(listed.values()))
        names = [name for name, _ in first.pictures]
        part = self._part(split, names, first.key, f"{len(names)} pairs")
        return {
            field: sorted((name, file) for name, file in side.pictures if name in part)
            for field, side in listed.items()
        }


def _list(key: str, folder: Path) -> _Listed:
    if not folder.is_dir():
        there = folder.exists()
        raise DataError(
            Problem(
                message=f"the folder {shown(folder)} {'is a file' if there else 'does not exist'}",
                key=key,
                expected="a folder of pictures",
                hint=None if there or folder.is_absolute() else f"it is looked for in {shown(Path.cwd())}",
            )
        )
    pictures = tuple((item_name(file, folder), file) for file in list_pictures(folder))
    if not pictures:
        entries = sum(1 for _ in folder.iterdir())
        raise DataError(
            Problem(
                message=f"the folder {shown(folder)} holds no pictures",
                key=key,
                found=f"{entries} entries, none of them a picture" if entries else "nothing",
                expected=f"files that end in {', '.join(SUFFIXES)}",
            )
        )
    return _Listed(key=key, folder=folder, pictures=pictures)


def _check_matched(listed: Mapping[str, _Listed]) -> None:
    """Raise `DataError` where a side has a name twice, or lacks one that another side has."""
    problems: list[Problem] = []
    names = {field: [name for name, _ in side.pictures] for field, side in listed.items()}
    counts = {field: Counter(given) for field, given in names.items()}
    everything = set().union(*names.values())
    for field, side in listed.items():
        if twice := sorted(name for name, count in counts[field].items() if count > 1):
            problems.append(
                Problem(
                    message=f"several files in {shown(side.folder)} have one name, so pairs cannot be told",
                    key=side.key,
                    found=_some(twice),
                    expected="names that differ in more than their ending",
                )
            )
        if missing := sorted(everything - set(names[field])):
            problems.append(
                Problem(
                    message=f"{len(missing)} of {len(everything)} pairs have no picture in {shown(side.folder)}",
                    key=side.key,
                    found=f"no {_some(missing)}",
                    expected="files of the same names in every folder; their endings may differ",
                )
            )
    if problems:
        raise DataError(*problems)


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(map(repr, names[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")
