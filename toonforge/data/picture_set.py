"""Base of data sets of picture files, for this package's folders and for data sets that ship their pictures."""

from __future__ import annotations

from collections.abc import Mapping

from toonforge.components import Dataset, Shape, component, param
from toonforge.data.filters import read_filtered
from toonforge.data.transforms import Geometry, default_load_size
from toonforge.errors import FieldError
from toonforge.extras import need
from toonforge.names import did_you_mean, is_identifier
from toonforge.recipe.expr import Expr


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

    def verify(self) -> None:
        """Raise `ToonforgeError` where filters are asked for and OpenCV is missing."""
        if self.filtered:
            need("cv2", "picture filters need")

    def geometry(self, split: str) -> Geometry:
        """How the pictures of a part are cut."""
        size = self.image_size
        load_size = default_load_size(size) if self.load_size is None else self.load_size
        if split == "validation" and self.validation_size is not None:
            size = self.validation_size
        return Geometry(image_size=size, load_size=max(load_size, size), flip=self.flip)

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
