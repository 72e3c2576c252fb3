"""Base of data sets of picture files, for this package's folders and for data sets that ship their pictures."""

from __future__ import annotations

from collections.abc import Mapping

from toonforge.components import Dataset, Shape, component, param
from toonforge.data.transforms import Geometry, default_load_size
from toonforge.errors import FieldError
from toonforge.names import is_identifier


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

    cartoonized: Mapping[str, str] = param(
        dict,
        doc="further batch fields, each the cartoon filter's version of the pictures of another, cut alike; "
        'cartoonized = { drawing = "photo" }; needs OpenCV (toonforge[filters])',
    )

    def __attrs_post_init__(self) -> None:
        for field in self.cartoonized:
            if not is_identifier(field):
                raise FieldError("cartoonized", field, "a name of letters, digits and underscores")
        if self.load_size is not None and self.load_size < self.image_size:
            raise FieldError("load_size", self.load_size, f"at least image_size, {self.image_size}")

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

    def with_cartoonized(self, groups: Mapping[str, Mapping[str, Shape]]) -> Mapping[str, Mapping[str, Shape]]:
        """The groups with the `cartoonized` fields beside those that they are made from.

        Raises:
            FieldError: one is made from a field that is not there, or has a name that is taken.
        """
        taken = {field for fields in groups.values() for field in fields}
        for field, made_from in self.cartoonized.items():
            if made_from not in taken:
                raise FieldError("cartoonized", made_from, f"one of the fields {sorted(taken)}")
            if field in taken:
                raise FieldError("cartoonized", field, f"a name that is not taken by {sorted(taken)}")
        return {
            group: {
                **fields,
                **{field: fields[made_from] for field, made_from in self.cartoonized.items() if made_from in fields},
            }
            for group, fields in groups.items()
        }
