"""A built data set over lists of picture files: what folders, and data sets that ship their pictures, come down to."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.data.filters import FILTERS, read_filtered
from toonforge.data.opencv import opencv
from toonforge.data.reading import read_picture, shown
from toonforge.data.transforms import Geometry, scale, scale_short_side, to_tensor
from toonforge.errors import UnreadableImage

if TYPE_CHECKING:
    import numpy as np
    import torch

    from toonforge.data.transforms import Picture
    from toonforge.recipe.expr import Expr

CACHE_BYTES = 256 * 2**20
"""Scaled pictures are kept in memory up to this much, per process: a small data set is decoded once."""

ASPECT_TOLERANCE = 0.02
"""Sides of a pair whose aspects differ by more than this share do not show the same scene."""

Steps = tuple[tuple[str, str], ...]
"""Filters that a picture has been through: (filter, style) each."""


class FileSource:
    """Groups of picture files, as `toonforge.components.ImageSource` describes.

    Args:
        groups: group -> field -> files. The fields of one group are matched by position, and cut alike.
        geometry: how they are scaled and cut.
        names: group -> what to call each item; the files' stems when left out.
        filtered: further field -> how a picture filter makes it of the scaled pictures of a field before it.

    Raises:
        ToonforgeError: there are filtered fields, and OpenCV is not installed.
    """

    def __init__(
        self,
        groups: Mapping[str, Mapping[str, Sequence[Path]]],
        geometry: Geometry,
        names: Mapping[str, Sequence[str]] | None = None,
        filtered: Mapping[str, Expr] | None = None,
    ) -> None:
        self.groups = {g: {field: list(files) for field, files in fields.items()} for g, fields in groups.items()}
        for group, fields in self.groups.items():
            if len({len(files) for files in fields.values()}) != 1:
                raise ValueError(f"the fields of group {group!r} have different numbers of files")
        self.sizes: Mapping[str, int] = {group: len(next(iter(f.values()))) for group, f in self.groups.items()}
        self.geometry = geometry
        self._names = names or {g: [file.stem for file in next(iter(f.values()))] for g, f in self.groups.items()}
        self.filtered = read_filtered(filtered or {})
        if self.filtered:
            opencv()  # better missed here than in the middle of a run, or in a background process
        self._cache = _Cache()
        every = [*self.filtered, *(field for fields in self.groups.values() for field in fields)]
        self._wanted = self._needed = frozenset(every)

    def only(self, fields: frozenset[str]) -> FileSource:
        """The same items with these fields alone; pictures in memory are shared with this source."""
        narrowed = copy(self)
        needed = set(fields)
        for field, filtered in reversed(self.filtered.items()):  # a field stands after the one it is made from
            if field in needed:
                needed.add(filtered.made_from)
        narrowed._wanted, narrowed._needed = fields, frozenset(needed)
        return narrowed

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
        """Fields of one item, (3, image_size, image_size) in [-1, 1], all cut alike.

        Where only some fields are wanted, the first is read all the same: its size says where to cut.

        Raises:
            UnreadableImage: for a file that cannot be read, or one whose aspect is not that of its pair.
        """
        files = {field: files[index] for field, files in self.groups[group].items()}
        first_field, *_ = files
        pictures = {f: self._scaled(file) for f, file in files.items() if f == first_field or f in self._needed}
        first = pictures[first_field]
        crop = self.geometry.crop(first, rng)
        for field, picture in pictures.items():
            _check_pair(files[field], picture, files[first_field], first)
        made: dict[str, tuple[Path, Steps]] = {field: (file, ()) for field, file in files.items()}
        for field, filtered in self.filtered.items():
            if filtered.made_from in made:
                style = filtered.style(index, rng)  # drawn for unwanted fields too: the others' draws stay the same
                file, steps = made[filtered.made_from]
                made[field] = file, (*steps, (filtered.filter, style))
                if field in self._needed:
                    function = FILTERS[filtered.filter][style]
                    pictures[field] = self._cache(made[field], partial(function, pictures[filtered.made_from]))
        wanted = {field: picture for field, picture in pictures.items() if field in self._wanted}
        return {field: to_tensor(crop(scale(picture, *first.shape[:2]))) for field, picture in wanted.items()}

    def name(self, group: str, index: int) -> str:
        """What to call the item: its path below its folder, without the ending."""
        return self._names[group][index]

    def _scaled(self, file: Path) -> Picture:
        return self._cache((file, ()), lambda: scale_short_side(read_picture(file), self.geometry.load_size))


class _Cache:
    """Scaled pictures by file and the filters that they have been through."""

    def __init__(self) -> None:
        self._pictures: dict[tuple[Path, Steps], Picture] = {}
        self.room = CACHE_BYTES

    def __call__(self, key: tuple[Path, Steps], make: Callable[[], Picture]) -> Picture:
        """The picture of a key: from memory, or made and kept while there is room."""
        picture = self._pictures.get(key)
        if picture is None:
            picture = make()
            if picture.nbytes <= self.room:
                self.room -= picture.nbytes
                self._pictures[key] = picture
        return picture


def item_name(file: Path, folder: Path) -> str:
    """A file's path below its folder without the ending, in one piece: "summer/beach.JPG" -> "summer--beach".

    Composed and decomposed accents come out alike, so that pairs from different systems still match.
    """
    parts = file.relative_to(folder).with_suffix("").parts
    return unicodedata.normalize("NFC", shown("--".join(parts)))


def _check_pair(file: Path, picture: Picture, first_file: Path, first: Picture) -> None:
    aspects = [p.shape[1] / p.shape[0] for p in (picture, first)]
    if abs(aspects[0] / aspects[1] - 1) > ASPECT_TOLERANCE:
        raise UnreadableImage(
            shown(file), f"its aspect is {aspects[0]:.2f}, that of its pair {shown(first_file)} is {aspects[1]:.2f}"
        )
