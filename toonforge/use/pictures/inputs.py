"""Which files the words of a command name: pictures, folders, patterns, videos, standard input.

Nothing is opened, and nothing is imported for it that takes time.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import attrs

from toonforge.data.reading.picture import is_picture_name, list_pictures
from toonforge.use.video.kinds import is_video

STANDARD = "-"
"""The word for standard input, and for standard output."""


@attrs.frozen
class Source:
    """One thing to translate.

    Attributes:
        path: the file; None for standard input.
        below: its path below the output folder, before the ending is chosen.
        kind: whether it is one picture or a video.
    """

    path: Path | None
    below: Path
    kind: Literal["picture", "video"] = "picture"


@attrs.frozen(kw_only=True)
class Inputs:
    """What the words name.

    Attributes:
        sources: in the order of the words, those of a folder or pattern sorted by path; each file once.
        missing: words that name nothing that is there.
        single: whether one file (or standard input) is named as such, so that the output may be one file.
    """

    sources: tuple[Source, ...]
    missing: tuple[str, ...]
    single: bool


def gather(words: Sequence[str | os.PathLike[str]], leave_out: Path | None = None) -> Inputs:
    """Find the files.

    A word is, in this order: `-`; a path that is there (a folder stands for all pictures in it and below); a pattern
    (`*`, `?`, `[…]`, and `**` for any folders) that stands for the pictures and videos that it matches. Anything else
    is missing. Hidden files are taken where they are named, not where they are found.

    Args:
        words: as the user gave them.
        leave_out: a folder whose files are not taken where a folder above it is searched: the output's.

    Raises:
        DataError: for a folder that cannot be listed.
    """
    texts = [os.fspath(word) for word in words]
    found: dict[tuple[str, Path], Source] = {}
    missing = []
    for text in texts:
        if text != STANDARD and not os.path.lexists(text) and not _matches(text):
            missing.append(text)
        for source in _sources(text, leave_out):
            # The same file twice, once in a folder perhaps, is one piece of work; of two names, it is two.
            found.setdefault((STANDARD if source.path is None else os.path.realpath(source.path), source.below), source)
    single = (
        len(texts) == 1 and not os.path.isdir(texts[0]) and (os.path.lexists(texts[0]) or not _is_pattern(texts[0]))
    )
    return Inputs(sources=tuple(found.values()), missing=tuple(missing), single=single)


def _sources(text: str, leave_out: Path | None) -> Iterator[Source]:
    if text == STANDARD:
        yield Source(None, Path("stdin"))
    elif os.path.isdir(text):
        folder = Path(text)
        for path in _but(leave_out, folder, list_pictures(folder)):
            yield Source(path, path.relative_to(folder))
    elif os.path.lexists(text):
        yield Source(Path(text), Path(Path(text).name), _kind(text))
    elif matches := _matches(text):
        start = _fixed(text)
        for path in _but(leave_out, start, map(Path, matches)):
            yield Source(path, path.relative_to(start), _kind(path))
    else:  # named as missing when it is read
        yield Source(Path(text), Path(Path(text).name))


def _but(leave_out: Path | None, start: Path, paths: Iterable[Path]) -> Iterator[Path]:
    """The paths, but for those in a folder that lies below the one where they were looked for."""
    place = None if leave_out is None else Path(os.path.realpath(leave_out))
    below = place is not None and Path(os.path.realpath(start)) in place.parents
    for path in paths:
        if not below or place not in Path(os.path.realpath(path)).parents:
            yield path


def _is_pattern(text: str) -> bool:
    return glob.has_magic(text)


def _matches(text: str) -> list[str]:
    """The pictures and videos that a pattern matches, sorted; none where it is no pattern."""
    if not _is_pattern(text):
        return []
    found = (path for path in glob.iglob(text, recursive=True) if not os.path.isdir(path))
    return sorted({os.path.normpath(path) for path in found if _is_taken(path)})


def _is_taken(path: str) -> bool:
    return is_picture_name(os.path.basename(path)) or _kind(path) == "video"


def _fixed(text: str) -> Path:
    """The folders of a pattern before its first wildcard: the structure below them is kept."""
    parts: list[str] = []
    for part in Path(os.path.normpath(text)).parts[:-1]:
        if _is_pattern(part):
            break
        parts.append(part)
    return Path(*parts)


def _kind(path: str | Path) -> Literal["picture", "video"]:
    return "video" if is_video(path) else "picture"
