"""Which files there are to work on, where the outputs go by default, and what each output is called."""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import attrs

from toonforge.data.listing import list_folder
from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.task import Source


def pictures_below(folder: str | Path) -> tuple[Source, ...]:
    """Every picture in a folder and the folders below it, sorted by name; links are followed, hidden files left out.

    Raises:
        DataError: there is no such folder, it cannot be listed, or it holds no pictures.
    """
    root = Path(folder)
    try:
        pictures = list_folder("", root).pictures
    except DataError as error:  # no recipe's key: the message names the folder
        raise DataError(*(attrs.evolve(problem, key=None) for problem in error.problems)) from None
    return sources_of(root, [Path(pictures.path(index)) for index in range(len(pictures))])


def sources_of(folder: Path, files: Sequence[Path]) -> tuple[Source, ...]:
    """Files below a folder as sources, sorted by name.

    Raises:
        DataError: the names of two files differ only in bytes that cannot be printed.
    """
    sources = sorted((Source(shown(file.relative_to(folder).as_posix()), file) for file in files), key=lambda s: s.name)
    for one, other in itertools.pairwise(sources):
        if one.name == other.name:
            raise DataError(Problem(message="two files have names that print alike", found=one.name, hint="rename one"))
    return tuple(sources)


def beside(source: Path, suffix: str) -> Path:
    """The folder beside `source` that a verb writes to when none is given: "photos" -> "photos-cartoonized".

    Raises:
        DataError: there is nothing beside it.
    """
    known = source if source.name not in ("", "..") else source.resolve()
    if not known.name:
        raise DataError(Problem(message=f"nothing lies beside {shown(source)}", hint="give a folder with -o"))
    return known.with_name(f"{known.name}-{suffix}")


def with_targets(sources: Sequence[Source], ending: str) -> tuple[Source, ...]:
    """The sources with their `target`: the name with another ending, so that pairs still match by name.

    Where two would meet ("beach.jpg" and "beach.png", also in upper case, for disks that do not tell it apart, or
    where one is a folder of others), each keeps its own ending before the new one: "beach.jpg.png". What a file is
    called so depends on which files there are, and never on their order or on when they came.

    Args:
        ending: with its dot, ".png".
    """
    levels = [0] * len(sources)
    while True:
        targets = [_target(source.name, ending, level) for source, level in zip(sources, levels)]
        taken = Counter(map(_key, targets))
        folders = {_key(str(parent)) for target in targets for parent in PurePosixPath(target).parents}
        meeting = [
            i
            for i, target in enumerate(targets)
            if levels[i] < _LEVELS and (taken[_key(target)] > 1 or _key(target) in folders)
        ]
        if not meeting:
            return tuple(attrs.evolve(source, target=target) for source, target in zip(sources, targets))
        for i in meeting:
            levels[i] += 1


_LEVELS = 2


def _target(name: str, ending: str, level: int) -> str:
    path = PurePosixPath(name)
    if level == 0:
        return str(path.with_name(path.stem + ending))
    mark = "" if level == 1 else "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return str(path.with_name(f"{path.name}{mark}{ending}"))


def _key(path: str) -> str:
    """Alike for paths that some file systems take for one."""
    return unicodedata.normalize("NFC", path).casefold()


__all__ = ["Source", "beside", "pictures_below", "sources_of", "with_targets"]
