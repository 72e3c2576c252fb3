"""Picture files as a sequence of pictures."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from toonforge.data.pictures import Texts
from toonforge.data.reading.picture import picture_names, read_picture, shown

if TYPE_CHECKING:
    from toonforge.data.pictures import Indices
    from toonforge.data.transforms import Picture


class Files:
    """Picture files, as `toonforge.data.pictures.Pictures` describes.

    Args:
        paths: of the files, with "/" between their parts.
        folder: what the paths are relative to; each is then named after its whole path below it. Without a folder, a
            file is named after its stem.

    Examples:
        >>> from toonforge.data import Files
        >>> files = Files.below("photos")
        >>> len(files), files.name(0), files.read(0).shape
        (4, '0', (48, 64, 3))
    """

    draws_alone: ClassVar[bool] = True

    def __init__(self, paths: Texts | Iterable[str], folder: str | os.PathLike[str] | None = None) -> None:
        self.paths = paths if isinstance(paths, Texts) else Texts(paths)
        self.folder = None if folder is None else os.fspath(folder)

    @classmethod
    def below(cls, folder: str | os.PathLike[str]) -> Files:
        """Every picture in a folder and the folders below it; raises `DataError` where it cannot be listed."""
        return cls(picture_names(folder), folder)

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, index: int) -> str:
        """The file."""
        path = self.paths[index]
        return path if self.folder is None else os.path.join(self.folder, path)

    def read(self, index: int, short: int | None = None) -> Picture:
        """The picture; see `read_picture`."""
        return read_picture(self.path(index), short=short)

    def name(self, index: int) -> str:
        """Its path below its folder without the ending, in one piece; without a folder its stem."""
        path = self.paths[index]
        return item_name(path if self.folder is not None else path.rpartition("/")[2])

    def where(self, index: int) -> str:
        """The path, in a form that can be printed."""
        return shown(self.path(index))

    def version(self, index: int) -> str:
        """Its absolute path, size and time of change."""
        return file_version(self.path(index))

    def only(self, indices: Indices) -> Files:
        """Some of the files."""
        return Files(self.paths.only(indices), self.folder)


def file_version(path: str) -> str:
    """A file's absolute path, size and time of change; the path alone of one that is gone."""
    path = os.path.abspath(path)
    try:
        status = os.stat(path)
    except OSError:
        return path
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"


def item_name(path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> str:
    """A file's path below its folder without the ending, in one piece: "summer/beach.JPG" -> "summer--beach".

    Composed and decomposed accents come out alike, so that pairs from different systems still match.

    Args:
        path: the file, relative to its folder unless that is given.
        folder: where it lies.
    """
    below = os.fspath(path) if folder is None else Path(path).relative_to(folder).as_posix()
    # Not by pathlib, which is ten times slower and keeps every part of a path in a table of its own.
    return unicodedata.normalize("NFC", shown(os.path.splitext(below)[0].replace("/", "--")))
