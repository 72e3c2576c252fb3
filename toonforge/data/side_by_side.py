"""Pairs whose pictures lie in one file, side by side, as pix2pix code keeps them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Shape, component, param
from toonforge.data.files import Files
from toonforge.data.halves import Layout, look_at
from toonforge.data.held_out import HeldOut
from toonforge.data.listing import Listed, list_folder
from toonforge.data.picture_source import PictureSource
from toonforge.data.reading.picture import MAX_ASPECT, read_picture, shown
from toonforge.errors import FieldError, UnreadableImage
from toonforge.names import is_identifier

if TYPE_CHECKING:
    from toonforge.data.pictures import Indices
    from toonforge.data.transforms import Picture


@component
class SideBySide(HeldOut):
    """Pairs in one folder: a file holds all pictures of a pair, of one size, next to each other.

    `toonforge data pair --side-by-side` makes such files. A file whose width does not divide evenly is left out, and
    where most look like single pictures, a warning says so.
    """

    folder: str = param(
        doc="folder of the files (folders below it included); relative to the current directory", place=True
    )
    fields: tuple[str, ...] = param(
        ("photo", "cartoon"), doc="batch fields of the pictures in each file, from left to right, or from top to bottom"
    )
    layout: Layout = param("horizontal", doc='"horizontal": next to each other; "vertical": below each other')

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if len(self.fields) < 2 or len(set(self.fields)) != len(self.fields):
            raise FieldError("fields", list(self.fields), "two batch fields or more, each once")
        for field in self.fields:
            if not is_identifier(field):
                raise FieldError("fields", field, "names of letters, digits and underscores")
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """One group, "pair", with every field."""
        return self.with_filtered({"pair": dict.fromkeys(self.fields, self.picture_shape)})

    def verify(self) -> None:
        """Raise `DataError` for a folder that is missing, empty, too small to hold some out, or of other pictures.

        Nothing is decoded; the headers of a few files tell their sizes.
        """
        super().verify()
        listed = self._listed()
        self.check_parts(lambda split: self._files(split, listed))
        look_at(listed.pictures, len(self.fields), self.layout)

    def build(self, split: str) -> PictureSource:
        """The pairs of one part; raises `DataError` as `verify` does."""
        whole = Whole(self._files(split, self._listed()))
        parts = {field: Part(whole, n, len(self.fields), self.layout) for n, field in enumerate(self.fields)}
        return self.source(split, {"pair": parts})

    def _files(self, split: str, listed: Listed) -> Files:
        return listed.pictures.only(self.choose(split, listed.pictures, key="data.folder", what=listed.what))

    def _listed(self) -> Listed:
        return list_folder("data.folder", Path(self.folder).expanduser())


class Whole:
    """Files that hold several pictures each. The last one is kept, so that it is decoded once for all of them."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._last: tuple[int, Picture] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"files": self.files, "_last": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def read(self, index: int) -> Picture:
        """A file with all its pictures; see `read_picture`."""
        last = self._last  # one look: another thread may put its own there
        if last is None or last[0] != index:
            last = index, read_picture(self.files.path(index), max_aspect=None)
            self._last = last
        return last[1]


class Part:
    """One picture of every file, as `toonforge.data.pictures.Pictures` describes.

    Args:
        whole: the files.
        number: which picture of each, counted from 0 at the left or the top.
        count: how many pictures a file holds.
        layout: how they lie.
        indices: which of the files; all when left out.
    """

    draws_alone: ClassVar[bool] = True

    def __init__(self, whole: Whole, number: int, count: int, layout: Layout, indices: Indices | None = None) -> None:
        self.whole, self.number, self.count, self.layout, self._indices = whole, number, count, layout, indices

    def __len__(self) -> int:
        return len(self.whole.files if self._indices is None else self._indices)

    def read(self, index: int, short: int | None = None) -> Picture:
        """The picture. It never comes smaller: reduced decoding would blur the border between the pictures."""
        at = self._at(index)
        whole = self.whole.read(at)
        axis, side = (1, "width") if self.layout == "horizontal" else (0, "height")
        length, rest = divmod(whole.shape[axis], self.count)
        if rest or not length:
            reason = (
                f"its {side}, {whole.shape[axis]} pixels, cannot be cut into {self.count} equal pictures: "
                f"cut it to a multiple of {self.count}"
            )
            raise UnreadableImage(self.whole.files.where(at), reason)
        cut = slice(self.number * length, (self.number + 1) * length)
        picture = whole[:, cut] if axis else whole[cut]
        height, width = picture.shape[:2]
        if max(height, width) > MAX_ASPECT * min(height, width):
            reason = f"its pictures, {width}x{height}, are narrower than 1:{MAX_ASPECT}"
            raise UnreadableImage(self.whole.files.where(at), reason)
        return picture

    def name(self, index: int) -> str:
        """The file's path below its folder without the ending, in one piece."""
        return self.whole.files.name(self._at(index))

    def where(self, index: int) -> str:
        """The file, as an absolute path, and which picture of it."""
        return f"{shown(os.path.abspath(self.whole.files.path(self._at(index))))} ({self._which})"

    def version(self, index: int) -> str:
        """The file's version, and which picture of it."""
        return f"{self.whole.files.version(self._at(index))} ({self._which})"

    def only(self, indices: Indices) -> Part:
        """This picture of some of the files."""
        some = indices if self._indices is None else self._indices[indices]
        return Part(self.whole, self.number, self.count, self.layout, some)

    def _at(self, index: int) -> int:
        return index if self._indices is None else int(self._indices[index])

    @property
    def _which(self) -> str:
        return f"{self.number + 1} of {self.count} {'across' if self.layout == 'horizontal' else 'down'}"
