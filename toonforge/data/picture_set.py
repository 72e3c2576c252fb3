"""Base of data sets of picture files, for this package's folders and for data sets that ship their pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Literal

import attrs

from toonforge.components import Dataset, Shape, component, param
from toonforge.data.filters.fields import read_filtered
from toonforge.data.picture_source import PictureSource
from toonforge.data.transforms import Geometry, default_load_size
from toonforge.errors import FieldError
from toonforge.extras import need
from toonforge.names import did_you_mean, is_identifier
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    from toonforge.data.pictures import Pictures


@component
class PictureSet(Dataset):
    """How pictures are scaled, cut and mirrored."""

    image_size: int = param(
        256, doc="height and width of the squares that are cut out", unit="pixels", at_least=1, at_most=8192, tiny=32
    )
    load_size: int | None = param(
        None,
        doc="the short side is scaled to this before the cut; 286/256 of image_size when left out",
        unit="pixels",
        source="CycleGAN: 286 for 256",
        at_least=1,
        at_most=16384,
        tiny=None,
    )
    validation_size: int | None = param(
        None,
        doc="height and width of validation pictures, cut from the middle after scaling; image_size when left out",
        unit="pixels",
        at_least=1,
        at_most=8192,
        tiny=None,
    )
    flip: bool = param(True, doc="mirror every second training picture, left to right")
    jitter: tuple[float, float] | None = param(
        None,
        doc="scale jitter: the least and the greatest factor of load_size that training pictures are scaled by, drawn "
        "anew each time, as in [0.9, 1.2]; load_size times the least must not be below image_size",
        above=0,
        at_most=8,
        tiny=None,
    )
    cache: Literal["memory", "disk", "none"] = param(
        "memory",
        doc="where decoded, scaled and filtered pictures are kept: up to 256 MB in memory while the run lasts, or up "
        "to 20 GB (TOONFORGE_CACHE_GB) on disk for later runs too, in ~/.cache/toonforge/pictures or below the folder "
        "TOONFORGE_CACHE, which may be deleted at any time",
        tiny="memory",
    )
    reduced: bool = param(
        False,
        doc="decode JPEG at 1/2, 1/4 or 1/8 of its size where it is at least that much larger than load_size: up to "
        "three times quicker for large photographs, with slightly other pixels",
    )

    filtered: Mapping[str, Expr] = param(
        dict,
        doc="further batch fields, each made by a filter of a field above it and cut alike: cartoonize(photo), "
        "cartoonize(photo, classic, soft) in one of several styles, smooth_edges(cartoon); `toonforge show cartoonize` "
        "lists the styles; made for a load_size of about 256, coarse below 192; needs OpenCV (toonforge[filters])",
    )

    def __attrs_post_init__(self) -> None:
        for field in self.filtered:
            if not is_identifier(field):
                raise FieldError("filtered", field, "a name of letters, digits and underscores")
        read_filtered(self.filtered)
        if self.load_size is not None and self.load_size < self.image_size:
            raise FieldError("load_size", self.load_size, f"at least image_size, {self.image_size}")
        if self.jitter is not None:
            self._check_jitter(*self.jitter)

    def verify(self) -> None:
        """Raise `ToonforgeError` where filters are asked for and OpenCV is missing."""
        if self.filtered:
            need("cv2", "picture filters need")

    def only(self, fields: Set[str]) -> PictureSet:
        """The data set without `filtered` fields that neither these fields nor what they are made from need.

        Pictures that are read without a generator stay what they are; where no such field remains, no OpenCV is needed.
        """
        needed = set(fields)
        for field, filtered in reversed(read_filtered(self.filtered).items()):  # a field stands after its origin
            if field in needed:
                needed.add(filtered.made_from)
        kept = {field: how for field, how in self.filtered.items() if field in needed}
        return attrs.evolve(self, filtered=kept)  # type: ignore[misc]

    def geometry(self, split: str) -> Geometry:
        """How the pictures of a part are cut."""
        size, load_size = self.image_size, self._load_size
        if split == "validation" and self.validation_size is not None:
            size = self.validation_size
        jitter = self.jitter if split == "train" and self.jitter is not None else (1, 1)
        return Geometry(image_size=size, load_size=max(load_size, size), flip=self.flip, jitter=jitter)

    def preparation(self, split: str) -> str:
        """Scale and cut."""
        return self.geometry(split).words + (", JPEG decoded at reduced size" if self.reduced else "")

    def source(
        self, split: str, groups: Mapping[str, Mapping[str, Pictures]], filtered: Mapping[str, Expr] | None = None
    ) -> PictureSource:
        """The built data set over the pictures of one part: group -> field -> pictures.

        `filtered`: fields that filters make, if not those of the recipe alone.
        """
        return PictureSource(
            groups,
            self.geometry(split),
            self.filtered if filtered is None else filtered,
            cache=self.cache,
            reduced=self.reduced,
        )

    @property
    def _load_size(self) -> int:
        return default_load_size(self.image_size) if self.load_size is None else self.load_size

    def _check_jitter(self, least: float, greatest: float) -> None:
        if least > greatest:
            raise FieldError("jitter", [least, greatest], "the least factor first")
        if self._load_size * least < self.image_size:
            enough = math.ceil(1000 * self.image_size / self._load_size) / 1000
            expected = f"a least factor of {enough:g} or more: {self._load_size} pixels are cut to {self.image_size}"
            raise FieldError("jitter", [least, greatest], expected, "or raise load_size")

    @property
    def picture_shape(self) -> Shape:
        """(3, image_size, image_size): of every training picture."""
        return (3, self.image_size, self.image_size)

    def with_filtered(self, groups: Mapping[str, Mapping[str, Shape]]) -> Mapping[str, Mapping[str, Shape]]:
        """The groups with the `filtered` fields, each beside the one that it is made from, which is before it.

        Raises:
            FieldError: one is made from a field that is not there, or has a name that is taken.
        """
        result = {group: dict(fields) for group, fields in groups.items()}
        for field, how in read_filtered(self.filtered).items():
            there = [name for fields in result.values() for name in fields]
            if field in there:
                raise FieldError(f"filtered.{field}", field, f"a name that no other field has ({', '.join(there)})")
            if how.made_from not in there:
                later = f"put {how.made_from} above {field}" if how.made_from in self.filtered else None
                expected = f"the pictures of one of {', '.join(there)}"
                hint = later or did_you_mean(how.made_from, there)
                raise FieldError(f"filtered.{field}", how.made_from, expected, hint)
            for fields in result.values():
                if how.made_from in fields:
                    fields[field] = fields[how.made_from]
        return result
