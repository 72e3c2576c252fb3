"""Base of data sets of picture files, for this package's folders and for data sets that ship their pictures."""

from __future__ import annotations

from toonforge.components import Dataset, Shape, component, param
from toonforge.data.transforms import Geometry, default_load_size
from toonforge.errors import FieldError


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
    flip: bool = param(True, doc="mirror every second training picture, left to right")

    def __attrs_post_init__(self) -> None:
        if self.load_size is not None and self.load_size < self.image_size:
            raise FieldError("load_size", self.load_size, f"at least image_size, {self.image_size}")

    @property
    def geometry(self) -> Geometry:
        """The same, with the load size filled in."""
        load_size = default_load_size(self.image_size) if self.load_size is None else self.load_size
        return Geometry(image_size=self.image_size, load_size=load_size, flip=self.flip)

    @property
    def picture_shape(self) -> Shape:
        """(3, image_size, image_size): of every picture it yields."""
        return (3, self.image_size, self.image_size)
