"""Which files of several folders belong together: those of one name, their endings aside."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import attrs

from toonforge.data.files import item_name
from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.manifest import one_line
from toonforge.prepare.engine.sources import beside, pictures_below
from toonforge.prepare.engine.task import Source

UNMATCHED, AMBIGUOUS = "unmatched", "ambiguous"
"""Actions of files that belong to no item."""


@attrs.frozen(kw_only=True)
class Item:
    """Files of one name, one a folder.

    Attributes:
        name: what they have in common.
        files: in the order of the folders. Their names begin with the folder's label: "photo/summer/beach.JPG".
    """

    name: str
    files: tuple[Source, ...]


@attrs.frozen(kw_only=True)
class Single:
    """A file without a place in any item, and why. `action` is `UNMATCHED` or `AMBIGUOUS`."""

    file: Source
    action: str
    reason: str


@attrs.frozen(kw_only=True)
class Matching:
    """What became of every file of the folders. `labels` name the folders, in their order."""

    labels: tuple[str, ...]
    items: tuple[Item, ...]
    singles: tuple[Single, ...]


def match(folders: Sequence[str | Path], strip: Sequence[str] = (), ignore_case: bool = False) -> Matching:
    """Match the pictures of two folders or more by name.

    Args:
        folders: the folders below them are part of the names.
        strip: endings of names that do not count: "_photo" makes "beach_photo.jpg" match "beach.png".
        ignore_case: "Beach" and "beach" are one name.

    Raises:
        DataError: a folder is given twice, is missing, or holds no pictures.
    """
    folders = [*map(Path, folders)]
    names = labels(folders)
    sides: list[dict[str, list[Source]]] = []
    for label, folder in zip(names, folders):
        side: dict[str, list[Source]] = {}
        for source in pictures_below(folder):
            name = plain(item_name(Path(source.name), Path()), strip)
            labelled = Source(f"{label}/{source.name}", source.path)
            side.setdefault(name.casefold() if ignore_case else name, []).append(labelled)
        sides.append(side)
    items: list[Item] = []
    singles: list[Single] = []
    for name in sorted(set().union(*sides)):
        found = [side.get(name, []) for side in sides]
        if all(len(files) == 1 for files in found):
            items.append(Item(name=name, files=tuple(file for (file,) in found)))
        else:
            singles.extend(_singles(names, found, strip))
    return Matching(labels=names, items=tuple(items), singles=tuple(singles))


def _singles(names: Sequence[str], found: Sequence[Sequence[Source]], strip: Sequence[str]) -> Iterator[Single]:
    absent = [label for label, files in zip(names, found) if not files]
    for label, files in zip(names, found):
        for file in files:
            if absent:
                looked_for = one_line(readable_name(file.name.removeprefix(f"{label}/"), strip))
                reason = f"no picture named '{looked_for}' in {' and '.join(absent)}"
                yield Single(file=file, action=UNMATCHED, reason=reason)
            else:
                yield Single(file=file, action=AMBIGUOUS, reason=_ambiguous(found))


def _ambiguous(found: Sequence[Sequence[Source]]) -> str:
    """Which files have one name, and why."""
    several = [[file.name for file in files] for files in found if len(files) > 1]
    reason = "; ".join(f"{' and '.join(files)} have one name, their endings aside" for files in several)
    stems = [{str(PurePosixPath(file).with_suffix("")) for file in files} for files in several]
    if any(len(alike) > len({stem.replace("/", "--") for stem in alike}) for alike in stems):
        reason += ": a folder's / counts as --, so one of them must be renamed"
    return one_line(reason)


def readable_name(path: str, strip: Sequence[str] = ()) -> str:
    """What a file is matched by as one writes it: its path below its folder without ending and what is stripped."""
    file = PurePosixPath(path)
    return str(file.with_name(plain(file.stem, strip)))


def plain(name: str, strip: Sequence[str]) -> str:
    """The name without the longest of the endings that it has; whole where nothing else would be left."""
    stem = name.rpartition("--")[2]
    for ending in sorted(strip, key=len, reverse=True):
        if ending and stem.endswith(ending) and stem != ending:
            return name[: -len(ending)]
    return name


def beside_all(folders: Sequence[str | Path], suffix: str) -> Path:
    """The folder to write to when none is given, beside the first of several: "photos-toons-pairs".

    Raises:
        DataError: there is nothing beside it, or a folder is given twice.
    """
    first = beside(Path(folders[0]), suffix)
    return first if len(folders) == 1 else first.with_name("-".join((*labels(folders), suffix)))


def labels(folders: Sequence[str | Path]) -> tuple[str, ...]:
    """What to call each folder: its name, with those of the folders above it where names are the same.

    Raises:
        DataError: a folder is given twice.
    """
    parts = [Path(folder).expanduser().resolve().parts[1:] for folder in folders]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = tuple("-".join(part[-depth:]) or "root" for part in parts)
        if len({unicodedata.normalize("NFC", name).casefold() for name in names}) == len(names):
            return names
    raise DataError(
        Problem(
            message="a folder is given twice",
            found=", ".join(shown(folder) for folder in folders),
            expected="folders that differ, one for each kind of picture",
        )
    )
