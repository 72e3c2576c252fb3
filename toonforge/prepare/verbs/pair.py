"""`toonforge data pair`: two folders brought together by file name, as pairs in two folders or side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

import attrs

from toonforge.data.picture_source import ASPECT_TOLERANCE
from toonforge.data.reading.picture import read_picture
from toonforge.data.transforms import scale
from toonforge.errors import DataError, Problem, UnreadableImage
from toonforge.prepare.engine.copying import write_whole
from toonforge.prepare.engine.out_folder import refuse_overlap
from toonforge.prepare.engine.task import Outcome, Progress, Source
from toonforge.prepare.engine.work import Report, work
from toonforge.prepare.pairing.groups import (
    MATCHED,
    Group,
    columns_for,
    forget,
    groups,
    output_name,
    place_all,
    unreadable,
)
from toonforge.prepare.pairing.matching import beside_all, match, readable_name

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture

MISFIT = "misfit"
"""The action of pairs that show no same scene: their aspects differ."""


def pair(
    first: str | Path,
    second: str | Path,
    out: str | Path | None = None,
    *,
    side_by_side: bool = False,
    strip: Sequence[str] = (),
    ignore_case: bool = False,
    link: bool = False,
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Bring the pictures of two folders together that have one name, their endings aside.

    Both pictures of a pair are decoded, so that what is written can be trained on. Files without a match, several
    files of one name, unreadable pictures and aspects that differ by more than the data set `paired-folders` takes are
    put down in the manifest with the reason. A pair is one row there: `matched` says which file, of what size and time,
    it was matched with.

    Args:
        first, second: the folders; pictures in folders below them match where those have the same names too.
        out: gets a folder for each of the two, with equal names in both; or one file a pair. When left out, a folder
            beside the first, "photos-cartoons-pairs".
        side_by_side: one PNG a pair, the first on the left; the second is scaled to its size, bicubic.
        strip: endings of names that do not count: "_photo", "_cartoon".
        ignore_case: "Beach" and "beach" are one name.
        link: hard links in place of copies; not with side_by_side.
        prune: remove what was made of pairs one of whose files is gone, or both.
        workers, force, progress: as `work` takes them.

    Raises:
        DataError: a folder cannot be used, or no two files match.

    Examples:
        >>> from toonforge.prepare import pair
        >>> pair("photos", "drawings", "pairs", workers=1).counts
        {'written': 4}
    """
    first, second = Path(first), Path(second)
    out = beside_all((first, second), "pairs") if out is None else Path(out)
    matching = match((first, second), strip, ignore_case)
    if not matching.items:
        raise DataError(_nothing_matches([one.file.name for one in matching.singles], matching.labels))
    for folder in (first, second):
        refuse_overlap(folder, out)
    found = groups(matching)
    columns = () if side_by_side else columns_for(matching.labels)
    own = (*columns, MATCHED)
    task = Pairing(
        columns=own, pictures=columns, labels=matching.labels, strip=tuple(strip), link=link, side_by_side=side_by_side
    )
    settings = {
        "folders": matching.labels,
        "side_by_side": side_by_side,
        "strip": list(strip),
        "ignore_case": ignore_case,
        "link": link,
    }
    if not force:
        _, found = forget("pair", first, found, out, settings, own, columns, prune)
    return work("pair", first, found, task, out, settings, workers=workers, force=force, prune=prune, progress=progress)


@attrs.frozen(kw_only=True)
class Pairing:
    """Decodes the two pictures of a pair, and writes them where they go together."""

    columns: tuple[str, ...]
    pictures: tuple[str, ...]
    labels: tuple[str, ...]
    strip: tuple[str, ...]
    link: bool
    side_by_side: bool

    @property
    def places(self) -> tuple[str, ...]:
        """The columns that name what is written."""
        return self.pictures

    def __call__(self, source: Source, out: Path) -> Outcome:
        """One outcome a pair."""
        group = cast("Group", source)
        if group.left_out is not None:
            action, reason = group.left_out
            return Outcome(action=action, reason=reason)
        figures = {MATCHED: group.matched}
        sides: list[Picture] = []
        for file in group.files:
            try:
                sides.append(read_picture(file.path))
            except UnreadableImage as error:
                return attrs.evolve(unreadable(group, file, error), figures=figures)
        one, other = (side.shape[1] / side.shape[0] for side in sides)
        if abs(other / one - 1) > ASPECT_TOLERANCE:
            sizes = " and ".join(f"{side.shape[1]}x{side.shape[0]}" for side in sides)
            reason = f"{sizes}: the aspects {one:.2f} and {other:.2f} differ by more than {ASPECT_TOLERANCE:.0%}"
            return Outcome(action=MISFIT, reason=reason, figures=figures)
        name = output_name(self._name(group))
        if self.side_by_side:
            output = f"{name}.png"
            _join(sides, out / output)
            return Outcome(action="written", output=output, figures=figures)
        endings = (PurePosixPath(file.name).suffix for file in group.files)
        targets = [f"{label}/{name}{ending}" for label, ending in zip(self.labels, endings)]
        if (wrong := place_all(group, targets, out, self.link)) is not None:
            return attrs.evolve(wrong, figures=figures)
        paths = dict(zip(self.pictures, targets))
        return Outcome(action="written", output=targets[0], figures={**figures, **paths})

    def _name(self, group: Group) -> str:
        """The first's path below its folder, without the ending and what is stripped."""
        return readable_name(group.name.removeprefix(f"{self.labels[0]}/"), self.strip)


def _join(sides: Sequence[Picture], path: Path) -> None:
    import numpy as np
    from PIL import Image

    height, width = sides[0].shape[:2]
    joined = np.concatenate([scale(side, height, width) for side in sides], axis=1)
    # Level 4 takes half the time of the default, 6, for files of the same size.
    file = io.BytesIO()
    Image.fromarray(joined).save(file, "PNG", compress_level=4)
    write_whole(path, file.getvalue())


def _nothing_matches(names: Sequence[str], labels: Sequence[str]) -> Problem:
    examples = [next((name for name in names if name.startswith(f"{label}/")), "") for label in labels]
    return Problem(
        message="no picture of one folder has the name of one of the other",
        found=" and ".join(filter(None, examples)),
        expected="files of the same names, their endings aside",
        hint="--strip _photo does without an ending of the names",
    )
