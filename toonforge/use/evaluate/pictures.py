"""Folders of pictures as a data set to measure: matched by name where pictures belong together, read as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.components import ImageSource, Shape
from toonforge.data.listing import Listed, list_folder, matched
from toonforge.data.picture_source import PictureSource
from toonforge.data.reading.header import picture_size
from toonforge.data.transforms import Geometry, to_tensor
from toonforge.data.used import Used
from toonforge.errors import DataError, Problem
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import numpy as np
    import torch

    from toonforge.data.files import Files

MADE, INPUT, REFERENCE = "generated", "input", "reference"
"""Batch fields of folders."""
TRANSLATION = Expr.parse(f"translation({INPUT})")
"""Stands for pictures that were translated elsewhere, of which the untranslated ones are known."""
_NAMED = 5

Groups = dict[str, Mapping[str, "Files"]]


@attrs.frozen(kw_only=True)
class Sides:
    """Folders of pictures by field, and which of them belong together.

    Attributes:
        groups: group -> field -> its pictures, those of one group matched by name.
        paired: whether each picture of the first field has its partner among the reference pictures.
        notes: what the user should know of it.
    """

    groups: Mapping[str, Mapping[str, Files]]
    paired: bool
    notes: tuple[str, ...] = ()


def listed(folders: Mapping[str, Path]) -> dict[str, Listed]:
    """Field -> the pictures of its folder; raises `DataError` with every folder that is not there or holds none."""
    found: dict[str, Listed] = {}
    problems: list[Problem] = []
    for field, folder in folders.items():
        try:
            found[field] = list_folder(field, folder.expanduser())
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(*problems)
    return found


def sides(folders: Mapping[str, Listed], first: str, reference: str | None, pairs: bool | None) -> Sides:
    """Which pictures belong together.

    Args:
        folders: field -> its pictures; all but the reference pictures are matched by name.
        first: the field that the others are matched to.
        reference: the field of the reference pictures, if there is one.
        pairs: whether the reference pictures are matched too; where their names allow it, when left out.

    Raises:
        DataError: with the names that have no partner.
    """
    together = {field: side for field, side in folders.items() if field != reference}
    notes: list[str] = []
    paired = False
    if reference is not None and pairs is not False:
        both = {first: folders[first], reference: folders[reference]}
        if pairs or not (why := _unmatched(both)):
            together[reference] = folders[reference]
            paired = True
        elif (shared := _shared(both)) * 2 >= len(folders[first].pictures):
            notes.append(f"{shared:,} names are in both folders, but not all: no pairs are measured ({why})")
    groups: Groups = {first: matched(together) if len(together) > 1 else {first: folders[first].pictures}}
    if reference is not None and not paired:
        groups[reference] = {reference: folders[reference].pictures}
    return Sides(groups=groups, paired=paired, notes=tuple(notes))


def _unmatched(folders: Mapping[str, Listed]) -> str:
    """Why names do not match, in a few words; empty where they do."""
    try:
        matched(folders)
    except DataError as error:
        return "; ".join(problem.message for problem in error.problems)
    return ""


def _shared(folders: Mapping[str, Listed]) -> int:
    names = [{side.pictures.name(index) for index in range(len(side.pictures))} for side in folders.values()]
    return len(set.intersection(*names))


def smallest_pair(groups: Mapping[str, Mapping[str, Files]]) -> Shape | None:
    """(3, height, width) of the least sides of pictures that belong together; None where nothing can be told.

    Only headers are read. A picture whose size cannot be told is left to the measurement, which names and skips it.

    Raises:
        DataError: where they differ in size, since they are read as they are.
    """
    least: tuple[int, int] | None = None
    differing: list[str] = []
    for fields in groups.values():
        first, *others = fields.values()
        for index in range(len(first) if others else 0):
            sizes = [size for side in fields.values() if (size := picture_size(side.path(index))) is not None]
            for width, height in sizes:
                least = (min(height, least[0]), min(width, least[1])) if least is not None else (height, width)
            if len(set(sizes)) > 1:
                differing.append(f"{first.name(index)} ({' and '.join(f'{w}x{h}' for w, h in dict.fromkeys(sizes))})")
    if differing:
        rest = len(differing) - _NAMED
        raise DataError(
            Problem(
                message=f"{len(differing)} pairs differ in size, so they cannot be compared pixel by pixel",
                found=", ".join(differing[:_NAMED]) + (f" and {rest} more" if rest > 0 else ""),
                expected="pictures of one size in each pair",
                hint="scale and cut all of them alike: --size 256",
            )
        )
    return None if least is None else (3, *least)


def source_of(groups: Mapping[str, Mapping[str, Files]], geometry: Geometry | None) -> ImageSource:
    """The pictures, scaled and cut from the middle, or as they are where there is no geometry."""
    if geometry is None:
        return Whole(groups)
    cut = PictureSource(groups, geometry, cache="none")
    # Not narrowed to the fields that expressions name: the translated pictures stand behind an expression of another.
    return Used(cut, [*groups])


def shapes_of(groups: Mapping[str, Mapping[str, Files]], size: int = 0) -> dict[str, dict[str, Shape]]:
    """Group -> field -> (3, size, size); 0 where pictures have sizes of their own."""
    return {group: dict.fromkeys(fields, (3, size, size)) for group, fields in groups.items()}


class Whole:
    """Groups of picture files at their own size, as `toonforge.components.ImageSource` describes.

    Args:
        groups: group -> field -> pictures, the fields of one group matched by number.
    """

    def __init__(self, groups: Mapping[str, Mapping[str, Files]]) -> None:
        self.groups = groups
        self.sizes: Mapping[str, int] = {group: len(next(iter(fields.values()))) for group, fields in groups.items()}

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
        """Fields of one item, (3,H,W) of uint8; raises `UnreadableImage`."""
        return {field: to_tensor(pictures.read(index)) for field, pictures in self.groups[group].items()}

    def name(self, group: str, index: int) -> str:
        """The name of its first picture."""
        return next(iter(self.groups[group].values())).name(index)


class Joined:
    """Groups of several sources, as `toonforge.components.ImageSource` describes.

    Args:
        sources: group -> the source that has it.
    """

    def __init__(self, sources: Mapping[str, ImageSource]) -> None:
        self.sources = sources
        self.sizes: Mapping[str, int] = {group: source.sizes[group] for group, source in sources.items()}

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> Mapping[str, torch.Tensor]:
        """The item of the source that has the group."""
        return self.sources[group].item(group, index, rng)

    def name(self, group: str, index: int) -> str:
        """The name that the group's source gives it."""
        return self.sources[group].name(group, index)


def reading(geometry: Geometry | None) -> str:
    """How pictures are read, in words for a protocol."""
    return "pictures at their own size, not cut" if geometry is None else geometry.words
