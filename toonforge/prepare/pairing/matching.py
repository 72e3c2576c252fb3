"""Which files of several folders belong together: those of one name, their endings aside."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from toonforge.data.files import item_name
from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.sources import pictures_below
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


def match(folders: Sequence[Path], strip: Sequence[str] = (), ignore_case: bool = False) -> Matching:
    """Match the pictures of two folders or more by name.

    Args:
        folders: the folders below them are part of the names.
        strip: endings of names that do not count: "_photo" makes "beach_photo.jpg" match "beach.png".
        ignore_case: "Beach" and "beach" are one name.

    Raises:
        DataError: a folder is given twice, is missing, or holds no pictures.
    """
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
            singles.extend(_singles(name, names, found))
    return Matching(labels=names, items=tuple(items), singles=tuple(singles))


def _singles(name: str, names: Sequence[str], found: Sequence[Sequence[Source]]) -> Iterator[Single]:
    absent = [label for label, files in zip(names, found) if not files]
    several = [label for label, files in zip(names, found) if len(files) > 1]
    if absent:
        action, reason = UNMATCHED, f"no picture named {shown(name)!r} in {' and '.join(absent)}"
    else:
        action, reason = AMBIGUOUS, f"several files are named {shown(name)!r} in {' and '.join(several)}"
    for file in (file for files in found for file in files):
        yield Single(file=file, action=action, reason=reason)


def plain(name: str, strip: Sequence[str]) -> str:
    """The name without the longest of the endings that it has; whole where nothing else would be left."""
    stem = name.rpartition("--")[2]
    for ending in sorted(strip, key=len, reverse=True):
        if ending and stem.endswith(ending) and stem != ending:
            return name[: -len(ending)]
    return name


def labels(folders: Sequence[Path]) -> tuple[str, ...]:
    """What to call each folder: its name, with those of the folders above it where names are the same.

    Raises:
        DataError: a folder is given twice.
    """
    parts = [folder.expanduser().resolve().parts[1:] for folder in folders]
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
