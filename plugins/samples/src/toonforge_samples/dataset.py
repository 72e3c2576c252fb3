"""The data set `samples/photo-cartoon`: unpaired photographs and cartoons, with the shipped split or in folds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Literal

from toonforge.components import Shape, component, param
from toonforge.data import Files, PictureSet, PictureSource
from toonforge.errors import DataError, FieldError, Problem
from toonforge_samples.credits import Sample, samples
from toonforge_samples.folds import cut_into_folds


@component
class PhotoCartoon(PictureSet):
    """64 photographs and 64 cartoons of 288 pixels (short side), drawn independently of each other.

    Without `folds`, 56 and 8 of each are for training and validation, as shipped. Pictures made from one
    original are never in both parts.
    """

    photo_field: str = param("photo", doc="batch field of the photographs")
    cartoon_field: str = param("cartoon", doc="batch field of the cartoons")
    kinds: tuple[Literal["anime", "scene", "cutout"], ...] = param(
        ("anime", "scene"),
        doc="which cartoons: anime (backgrounds and sprites of a visual novel), scene (whole drawn pictures), cutout "
        "(drawings on white: a translator trained on many of them learns white backgrounds)",
    )
    folds: int | None = param(
        None,
        doc="cross-validate: cut all pictures into this many folds instead of the shipped split",
        at_least=2,
        at_most=64,
    )
    fold: int = param(0, doc="which fold is for validation, from 0; the others are for training", at_least=0)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        for key in ("photo_field", "cartoon_field"):
            name = getattr(self, key)
            if not (name.isascii() and name.isidentifier()):
                raise FieldError(key, name, "a name of letters, digits and underscores")
        if self.photo_field == self.cartoon_field:
            raise FieldError("cartoon_field", self.cartoon_field, "another name than photo_field")
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise FieldError("kinds", self.kinds, "one to three of anime, scene and cutout, each once")
        if self.fold >= (self.folds or 1):
            expected = f"less than folds, {self.folds}" if self.folds else "0, since folds is not set"
            raise FieldError("fold", self.fold, expected)
        self.groups()  # refuses filtered fields that cannot be

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """Two groups, each of its own field."""
        fields = (self.photo_field, self.cartoon_field)
        return self.with_filtered({field: {field: self.picture_shape} for field in fields})

    def verify(self) -> None:
        """Raise `DataError` where the installation lacks pictures, or a fold would be empty."""
        super().verify()
        for split in ("train", "validation"):
            self._chosen(split)

    def build(self, split: str) -> PictureSource:
        """The pictures of one part."""
        files = {
            field: Files(picture.path.as_posix() for picture in pictures)
            for field, pictures in self._chosen(split).items()
        }
        groups = {field: {field: pictures} for field, pictures in files.items()}
        return self.source(split, groups)

    def _chosen(self, split: str) -> dict[str, list[Sample]]:
        if split not in ("train", "validation"):
            raise ValueError(f"unknown split {split!r}: there are 'train' and 'validation'")
        kinds = {self.photo_field: ("photo",), self.cartoon_field: self.kinds}
        chosen = {field: self._of_kinds(split, wanted) for field, wanted in kinds.items()}
        for field, pictures in chosen.items():
            if not pictures:
                raise DataError(
                    Problem(
                        message=f"no {field!r} pictures are left for {split}",
                        key="data.folds" if self.folds else "data.kinds",
                        found=f"kinds {', '.join(self.kinds)}" + (f" in {self.folds} folds" if self.folds else ""),
                        hint="take more kinds or fewer folds: pictures of one family stay together",
                    )
                )
        everything = chain.from_iterable(chosen.values())
        if missing := [picture.file for picture in everything if not picture.path.is_file()]:
            raise DataError(
                Problem(
                    message=f"{len(missing)} packaged pictures are missing, such as {missing[0]}",
                    hint="install toonforge-samples anew, from its checkout or wheel: "
                    "pip install --force-reinstall --no-deps PLACE",
                )
            )
        return chosen

    def _of_kinds(self, split: str, kinds: tuple[str, ...]) -> list[Sample]:
        pictures = [picture for picture in samples() if picture.kind in kinds]
        if self.folds is None:
            return [picture for picture in pictures if picture.split == split]
        cut = cut_into_folds(pictures, self.folds)
        held = cut.pop(self.fold)
        return held if split == "validation" else sorted(chain.from_iterable(cut), key=lambda picture: picture.file)
