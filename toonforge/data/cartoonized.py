"""Photographs of one folder, each paired with the cartoon that a filter makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from toonforge.components import Shape, component, param
from toonforge.data.filters.cartoonize import STYLES
from toonforge.data.held_out import HeldOut
from toonforge.data.listing import list_folder
from toonforge.data.picture_source import PictureSource
from toonforge.errors import FieldError
from toonforge.extras import need
from toonforge.names import did_you_mean, is_identifier
from toonforge.recipe.expr import Call, Expr, Name

if TYPE_CHECKING:
    from toonforge.data.files import Files


@component
class CartoonizedFolder(HeldOut):
    """A folder of photographs, each paired with its cartoon: the pictures of a pair are cut alike.

    Styles of the cartoons:
        drawn: livelier colours in flat regions and six tones, soft dark lines
        inked: flat regions, livelier colours, pen strokes and few specks
        classic: colours smoothed, black lines: the filter of OpenCV tutorials
        soft: classic with smoother, blurred colours
        muted: classic with two thirds of the colour taken out
        bold: classic with fewer, thicker lines
        poster: few flat tones with hard borders, no lines
        sketch: gray pencil lines on white, no colour

    To measure what a training on some styles does with others, give those to fields of their own that only metrics
    name: `filtered = { sketch = "cartoonize(photo, sketch)" }`.
    """

    folder: str = param(
        doc="folder of the photographs (folders below it included); relative to the current directory", place=True
    )
    photo_field: str = param("photo", doc="batch field of the photographs")
    cartoon_field: str = param("cartoon", doc="batch field of their cartoons")
    styles: tuple[Literal["drawn", "inked", "classic", "soft", "muted", "bold", "poster", "sketch"], ...] = param(
        ("classic",),
        doc="of the cartoons: one is drawn for each training picture, and they take turns in validation",
        source="cGANs for Cartoon to Real-life Images, 2.1.1; four styles, 2.1.3",
    )
    validation: float = param(
        0.2,
        doc="share of the photographs held out for validation; a file's name decides, so adding files moves none",
        source="cGANs for Cartoon to Real-life Images, 2.1.2",
        above=0,
        below=1,
    )
    test: float = param(
        0.2,
        doc="share held out for testing, apart from training and validation; decided by the file's name too",
        source="cGANs for Cartoon to Real-life Images, 2.1.2",
        at_least=0,
        below=1,
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        for key in ("photo_field", "cartoon_field"):
            if not is_identifier(getattr(self, key)):
                raise FieldError(key, getattr(self, key), "a name of letters, digits and underscores")
        if self.photo_field == self.cartoon_field:
            raise FieldError("cartoon_field", self.cartoon_field, "another name than photo_field")
        if not self.styles or len(set(self.styles)) != len(self.styles):
            raise FieldError("styles", list(self.styles), "one style or more, each once")
        for style in self.styles:
            if style not in STYLES:
                raise FieldError("styles", style, f"styles among {', '.join(STYLES)}", did_you_mean(style, STYLES))
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """One group, "pair"."""
        return self.with_filtered({"pair": dict.fromkeys((self.photo_field, self.cartoon_field), self.picture_shape)})

    def verify(self) -> None:
        """Raise `DataError` for a folder that is missing, empty or too small to hold some out; decode nothing.

        OpenCV, which makes the cartoons, is asked for first.
        """
        need("cv2", "picture filters need")
        self._photos("train")

    def build(self, split: str) -> PictureSource:
        """The pairs of one part; raises `DataError` as `verify` does."""
        styles = [Name(style) for style in self.styles]
        cartoons = Expr(Call("cartoonize", (Name(self.photo_field), *styles)))
        pairs = {"pair": {self.photo_field: self._photos(split)}}
        return self.source(split, pairs, {self.cartoon_field: cartoons, **self.filtered})

    def _photos(self, split: str) -> Files:
        """The photographs of one part."""
        listed = list_folder("data.folder", Path(self.folder).expanduser())
        return listed.pictures.only(self.choose(split, listed.pictures, key=listed.key, what=listed.what))
