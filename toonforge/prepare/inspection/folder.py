"""What lies in a folder beside its pictures: licences, strangers, links that lead nowhere, names that collide."""

from __future__ import annotations

import csv
import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from toonforge.data.files import item_name
from toonforge.data.reading.picture import SUFFIXES, is_picture_name, shown

LICENCE_NAMES = ("license", "licence", "copying", "credits", "attribution", "readme")
"""Files and folders whose names begin so, in any case, may say whose pictures these are."""

UNREAD_PICTURES = (".heic", ".heif", ".jp2", ".jxl", ".psd", ".svg", ".tga", ".cr2", ".cr3", ".nef", ".arw", ".dng")
"""Endings of pictures that no verb and no data set reads."""

FILMS = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".wmv", ".mpg", ".mpeg")
"""Endings of films, which `toonforge data frames` takes pictures out of."""

_HEADER = 65536


@attrs.frozen(kw_only=True)
class Beside:
    """What else is in a folder. All names are posix paths below it, printable whatever bytes they hold."""

    licences: tuple[str, ...]
    """Files that may say whose pictures these are; "../" where they lie above the folder."""
    strangers: Mapping[str, tuple[str, ...]]
    """Ending in lower case ("" for none) -> files that are not taken for pictures."""
    dangling: tuple[str, ...]
    """Links that lead nowhere, or to themselves; pictures by their names or not."""
    hidden: int
    """Files and folders whose names begin with a dot: left out by every verb."""


def look_beside(folder: Path) -> Beside:
    """Walk through a folder as `picture_names` does: links are followed, loops are not."""
    licences: list[str] = []
    strangers: defaultdict[str, list[str]] = defaultdict(list)
    dangling: list[str] = []
    hidden = 0
    stack: list[tuple[str, str, tuple[str, ...]]] = [(os.fspath(folder), "", (os.path.realpath(folder),))]
    while stack:
        here, prefix, ancestors = stack.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                name = shown(prefix + entry.name)
                if entry.name.startswith("."):
                    hidden += 1
                    continue
                picture = is_picture_name(entry.name)
                if picture and entry.is_file(follow_symlinks=False):
                    continue
                try:
                    mode = entry.stat().st_mode
                except OSError:
                    dangling.append(name)
                    continue
                if stat.S_ISDIR(mode):
                    real = os.path.realpath(entry.path)
                    if real not in ancestors:
                        stack.append((entry.path, f"{prefix}{entry.name}/", (*ancestors, real)))
                    if _named_as_licence(entry.name):
                        licences.append(f"{name}/")
                elif not picture:
                    if stat.S_ISREG(mode) and _tells_licences(Path(entry.path)):
                        licences.append(name)
                    else:
                        strangers[Path(entry.name).suffix.lower()].append(name)
    return Beside(
        licences=tuple(sorted(licences)) or _licences_above(folder),
        strangers={ending: tuple(sorted(strangers[ending])) for ending in sorted(strangers)},
        dangling=tuple(sorted(dangling)),
        hidden=hidden,
    )


def _licences_above(folder: Path) -> tuple[str, ...]:
    """Those in the two folders above, where data sets keep them that part their pictures into train/photo and the like.

    A README up there is as likely about something else.
    """
    for steps, above in enumerate(folder.resolve().parents[:2], start=1):
        try:
            with os.scandir(above) as entries:
                found = [entry.name for entry in entries if entry.is_file() and _tells_licences(Path(entry.path))]
        except OSError:
            return ()
        if found := [name for name in found if not name.lower().startswith("readme")]:
            return tuple("../" * steps + shown(name) for name in sorted(found))
    return ()


def _tells_licences(file: Path) -> bool:
    return _named_as_licence(file.name) or (file.suffix.lower() == ".csv" and _has_licence_column(file))


def _named_as_licence(name: str) -> bool:
    return name.lower().startswith(LICENCE_NAMES)


def _has_licence_column(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as stream:
            line = stream.readline(_HEADER)
        return any("licence" in cell.lower() or "license" in cell.lower() for cell in next(csv.reader([line]), []))
    except (OSError, csv.Error):
        return False


def upper_case(names: Iterable[str]) -> list[str]:
    """Pictures whose endings are not in lower case."""
    return [name for name in names if not name.endswith(SUFFIXES)]


def collisions(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of pictures that have one name but for their ending, so that nothing tells which of them is of a pair."""
    names = list(names)
    counts = Counter(map(item_name, names))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if counts[key := item_name(name)] > 1:
            groups[key].append(name)
    return [tuple(group) for group in groups.values()]


def pair_names(names: Iterable[str]) -> Mapping[str, str]:
    """What pairs are told by -> the picture of that name; the first where several have it."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(item_name(name), name)
    return found
