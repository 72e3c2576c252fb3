"""A built data set of pictures: what folders, lists, tables, shards and data sets that ship pictures come down to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

from toonforge.data.cache.kinds import Cache, Kind, Steps, make_cache
from toonforge.data.files import Files
from toonforge.data.filters.fields import FILTERS, read_filtered
from toonforge.data.filters.opencv import opencv
from toonforge.data.pictures import draw_alone
from toonforge.data.reading.picture import shown
from toonforge.data.transforms import Geometry, scale_fast, to_tensor
from toonforge.errors import UnreadableImage

if TYPE_CHECKING:
    import numpy as np
    import torch

    from toonforge.data.pictures import Pictures
    from toonforge.data.transforms import Picture
    from toonforge.recipe.expr import Expr

ASPECT_TOLERANCE = 0.02
"""Sides of a pair whose aspects differ by more than this share do not show the same scene."""


class PictureSource:
    """Groups of pictures, as `toonforge.components.ImageSource` describes.

    Args:
        groups: group -> field -> pictures. The fields of one group are matched by number, and cut alike; the first
            field's names are the items'.
        geometry: how they are scaled and cut.
        filtered: further field -> how a picture filter makes it of the scaled pictures of a field before it.
        cache: where scaled and filtered pictures are kept; see `toonforge.data.cache.kinds`.
        reduced: decode at reduced scale where the format allows; see `read_picture`.

    Raises:
        ToonforgeError: there are filtered fields, and OpenCV is not installed; the cache's folder cannot be used.

    Examples:
        >>> from toonforge.data import Files, Geometry, PictureSource
        >>> groups = {"photo": {"photo": Files.below("photos")}}
        >>> source = PictureSource(groups, Geometry(image_size=32, load_size=32, flip=False))
        >>> source.sizes, source.item("photo", 0, rng=None)["photo"].shape
        ({'photo': 4}, torch.Size([3, 32, 32]))
    """

    def __init__(
        self,
        groups: Mapping[str, Mapping[str, Pictures]],
        geometry: Geometry,
        filtered: Mapping[str, Expr] | None = None,
        *,
        cache: Kind = "memory",
        reduced: bool = False,
    ) -> None:
        self.groups = groups
        for group, fields in groups.items():
            if len({len(pictures) for pictures in fields.values()}) != 1:
                raise ValueError(f"the fields of group {group!r} have different numbers of pictures")
        self.sizes: Mapping[str, int] = {group: len(next(iter(f.values()))) for group, f in groups.items()}
        self.geometry = geometry
        self.filtered = read_filtered(filtered or {})
        if self.filtered:
            opencv()  # better missed here than in the middle of a run, or in a background process
        self._short = geometry.short if reduced else None
        self._cache: Cache = make_cache(cache, f"{geometry.short}|{self._short}")
        every = [*self.filtered, *(field for fields in groups.values() for field in fields)]
        self._wanted = self._needed = frozenset(every)

    @property
    def draws_alone(self) -> bool:
        """Items draw from nothing but their own generator: where the pictures say so too (`draw_alone`), and how they
        are cut is this package's own. Of a class made from this one that is not known."""
        if type(self) is not PictureSource or type(self.geometry) is not Geometry:
            return False
        return all(draw_alone(pictures) for fields in self.groups.values() for pictures in fields.values())

    def only(self, fields: frozenset[str]) -> PictureSource:
        """The same items with these fields alone; pictures in memory are shared with this source."""
        narrowed = copy(self)
        needed = set(fields)
        for field, filtered in reversed(self.filtered.items()):  # a field stands after the one it is made from
            if field in needed:
                needed.add(filtered.made_from)
        narrowed._wanted, narrowed._needed = fields, frozenset(needed)
        return narrowed

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
        """Fields of one item, (3, image_size, image_size) of uint8, all cut alike. Read them only: they may be kept.

        Where only some fields are wanted, the first is read all the same: its size says where to cut.

        Raises:
            UnreadableImage: for a picture that cannot be read, or one whose aspect is not that of its pair.
        """
        lying = self.groups[group]
        first_field, *_ = lying
        pictures = {f: self._scaled(f, lying[f], index) for f in lying if f == first_field or f in self._needed}
        first = pictures[first_field]
        crop = self.geometry.crop(first, rng)
        for field, picture in pictures.items():
            _check_pair(lying[field], picture, lying[first_field], first, index)
        made: dict[str, tuple[str, Steps]] = {field: (field, ()) for field in lying}
        for field, filtered in self.filtered.items():
            if filtered.made_from in made:
                style = filtered.style(index, rng)  # drawn for unwanted fields too: the others' draws stay the same
                origin, steps = made[filtered.made_from]
                made[field] = origin, (*steps, (filtered.filter, style))
                if field in self._needed:
                    function = FILTERS[filtered.filter][style]
                    pictures[field] = self._cache(
                        (origin, index, made[field][1]),
                        partial(lying[origin].version, index),
                        partial(function, pictures[filtered.made_from]),
                    )
        wanted = {field: picture for field, picture in pictures.items() if field in self._wanted}
        return {field: to_tensor(crop(scale_fast(picture, *first.shape[:2]))) for field, picture in wanted.items()}

    def name(self, group: str, index: int) -> str:
        """What to call the item: the name of its first picture."""
        return next(iter(self.groups[group].values())).name(index)

    def where(self, group: str, index: int) -> dict[str, str]:
        """Field -> where its picture lies, a file's path absolute; without those that filters make."""
        return {
            field: shown(os.path.abspath(pictures.path(index)))
            if isinstance(pictures, Files)
            else pictures.where(index)
            for field, pictures in self.groups[group].items()
        }

    def _scaled(self, field: str, pictures: Pictures, index: int) -> Picture:
        return self._cache(
            (field, index, ()),
            lambda: pictures.version(index),
            lambda: self.geometry.scaled(pictures.read(index, self._short)),
        )


def _check_pair(pictures: Pictures, picture: Picture, first_pictures: Pictures, first: Picture, index: int) -> None:
    aspects = [p.shape[1] / p.shape[0] for p in (picture, first)]
    rounding = 1 / min(*picture.shape[:2], *first.shape[:2])  # of lengths to whole pixels, when they were scaled
    if abs(aspects[0] / aspects[1] - 1) > ASPECT_TOLERANCE + rounding:
        where, pair = pictures.where(index), first_pictures.where(index)
        raise UnreadableImage(where, f"its aspect is {aspects[0]:.2f}, that of its pair {pair} is {aspects[1]:.2f}")
