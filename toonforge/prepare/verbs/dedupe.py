"""Near-duplicates put aside: `toonforge data dedupe`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from toonforge.data.reading.picture import read_picture, shown
from toonforge.errors import DataError, Problem
from toonforge.prepare.duplicates.caption import FIRST_LINE
from toonforge.prepare.duplicates.hashes import hashed, hashed_mirrored
from toonforge.prepare.duplicates.keepers import keepers
from toonforge.prepare.duplicates.near import FARTHEST
from toonforge.prepare.duplicates.preference import ranked
from toonforge.prepare.duplicates.sheet import Member, draw_sheet
from toonforge.prepare.engine import out_folder
from toonforge.prepare.engine.copying import place
from toonforge.prepare.engine.sources import beside, pictures_below
from toonforge.prepare.engine.task import Outcome, Progress, Source
from toonforge.prepare.engine.work import Report, Row, work
from toonforge.prepare.pairing.matching import labels
from toonforge.prepare.quality.measures import colour_spread, sharpness, standard

DISTANCE = 6
"""Bits of 64 by which near-duplicates may differ.

On the 128 sample pictures 6 finds all copies of half or double the size or of JPEG quality 10 to 50, 49 in 50 that are
cut by 2 % or brighter by a fifth, and 3 in 4 cut by 5 %; the nearest two different pictures differ by 16.
"""

SHEET = "duplicates.jpg"


@attrs.frozen(kw_only=True)
class Hash:
    """A task of the engine: hashes one picture, and puts it into OUT/kept. `finish` takes the duplicates out again.

    That order loses nothing: whenever it is stopped, the manifest names every file in OUT/kept.
    """

    link: bool

    columns: ClassVar[tuple[str, ...]] = (
        "width",
        "height",
        "colour_spread",
        "sharpness",
        "hash",
        "mirrored_hash",
        "duplicate_of",
        "distance",
    )

    def __call__(self, source: Source, out: Path) -> Outcome:
        """OUT/kept/NAME and its figures. Raises `UnreadableImage`."""
        picture = read_picture(source.path)
        small = standard(picture)
        figures = {
            "width": picture.shape[1],
            "height": picture.shape[0],
            "colour_spread": float(f"{colour_spread(small):.4g}"),
            "sharpness": float(f"{sharpness(small):.4g}"),
            "hash": hashed(small),
            "mirrored_hash": hashed_mirrored(small),
        }
        output = f"kept/{source.name}"
        place(source.path, out / output, self.link)
        return Outcome(action="kept", output=output, figures=figures)


def dedupe(
    source: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    distance: int = DISTANCE,
    mirrored: bool = False,
    link: bool = False,
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Copy the pictures of folders into OUT/kept, and near-duplicates of those into OUT/aside/near-duplicate.

    Of pictures that are near each other one with colour is kept rather than a grey or toned one of up to twice its
    pixels, then the largest, of equally large ones the sharpest, then the first by name. The groups are drawn in
    OUT/duplicates.jpg.

    Args:
        source: a folder, or several, whose pictures are compared with each other; only read. With several, names
            begin with the folder's.
        out: a folder of this function's own; one beside the source, "photos-deduped", when left out. Must be given with
            several folders.
        distance: bits by which hashes of near-duplicates differ at most, 0 to 12.
        mirrored: pictures mirrored left to right are near-duplicates too.
        link: hard links in place of copies, where possible.
        prune: remove pictures whose sources are gone; they are compared with the others until then.
        workers, force, progress: as `toonforge.prepare.engine.work.work` takes them.

    Raises:
        DataError: a folder cannot be used, is given twice or lies in another, or the distance is out of range.

    Examples:
        >>> from toonforge.prepare import Report, Row, dedupe
        >>> report: Report = dedupe("photos", "different", workers=1)
        >>> report.counts
        {'kept': 4}
        >>> row: Row = report.rows[0]
        >>> row.source, row.action, row.output
        ('0.jpg', 'kept', 'kept/0.jpg')
    """
    given = [source] if isinstance(source, str | os.PathLike) else source
    folders = sorted(map(Path, given), key=os.path.abspath)  # whatever order they are given in
    if out is None and len(folders) > 1:
        raise DataError(Problem(message="several folders are given", expected="-o, the folder to write to"))
    sources = _pictures(folders)
    out = beside(folders[0], "deduped") if out is None else Path(out)
    if not 0 <= distance <= FARTHEST:
        expected = f"0 to {FARTHEST}: beyond it different pictures would be near"
        raise DataError(Problem(message="out of range", key="distance", found=str(distance), expected=expected))
    for folder in folders:
        out_folder.refuse_overlap(folder, out)
    settings: dict[str, object] = {"distance": distance, "mirrored": mirrored, "link": link}
    if len(folders) > 1:
        settings["sources"] = [shown(os.path.abspath(folder)) for folder in folders]
    return work(
        "dedupe",
        folders[0],
        sources,
        Hash(link=link),
        out,
        settings,
        workers=workers,
        force=force,
        prune=prune,
        progress=progress,
        finish=_Finish(out, distance, mirrored, link, progress),
    )


def _pictures(folders: Sequence[Path]) -> tuple[Source, ...]:
    if not folders:
        raise DataError(Problem(message="no folder is given"))
    found = [pictures_below(folder) for folder in folders]
    if len(folders) == 1:
        return found[0]
    real = [Path(os.path.realpath(folder)) for folder in folders]
    for i, folder in enumerate(real):
        for j, other in enumerate(real):
            if i != j and other in folder.parents:
                lies = f"{shown(folders[i])} lies in {shown(folders[j])}"
                raise DataError(Problem(message="a folder lies in another that is read too", found=lies))
    return tuple(
        Source(f"{label}/{one.name}", one.path) for label, pictures in zip(labels(folders), found) for one in pictures
    )


@attrs.frozen
class _Finish:
    """The second pass: all pictures are hashed, and what is a duplicate of what follows from that alone."""

    out: Path
    distance: int
    mirrored: bool
    link: bool
    progress: Progress | None

    def __call__(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        hashed_rows = [row for row in rows if row.figures["hash"] != ""]
        decided = tuple(self._decided(hashed_rows))
        self._put([(row, before) for row, before in zip(decided, hashed_rows) if row.output != before.output])
        changed = tuple(row for row, before in zip(decided, hashed_rows) if row != before)
        flat = tuple(
            attrs.evolve(row, reason="too even to be compared")
            for row in rows
            if row.action == "kept" and row.figures["hash"] == ""
        )
        self._draw(decided, {row.source: line for line, row in enumerate(rows, start=FIRST_LINE)})
        return changed + flat

    def _decided(self, rows: Sequence[Row]) -> Iterator[Row]:
        """Each row as it is to be."""
        import numpy as np

        def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
            return np.array([int(str(row.figures[name]), 16) for row in rows], np.uint64)

        figures = ("width", "height", "colour_spread", "sharpness")
        rank = ranked(*(np.array([float(row.figures[name]) for row in rows]) for name in figures))
        found = keepers(column("hash"), rank, self.distance, column("mirrored_hash") if self.mirrored else None)
        each = zip(rows, found.kept.tolist(), found.distance.tolist(), found.mirrored.tolist())
        for i, (row, kept, distance, mirrored) in enumerate(each):
            if kept == i:
                own = {**row.figures, "duplicate_of": "", "distance": ""}
                yield attrs.evolve(row, action="kept", output=f"kept/{row.source}", reason="", figures=own)
                continue
            other = rows[kept].source
            yield attrs.evolve(
                row,
                action="aside",
                output=f"aside/near-duplicate/{row.source}",
                reason=f"near-duplicate of {other}, {'mirrored, ' * mirrored}distance {distance}",
                figures={**row.figures, "duplicate_of": other, "distance": distance},
            )

    def _put(self, rows: Sequence[tuple[Row, Row]]) -> None:
        """Copy what has another place than before from there, where it is even when its source is gone.

        The engine removes it from its old place.
        """
        if self.progress is not None and rows:
            self.progress.begin("put aside", len(rows), 0)
        for row, before in rows:
            place(self.out / before.output, self.out / row.output, self.link)
            if self.progress is not None:
                self.progress.advance(Outcome(action=row.action))

    def _draw(self, rows: Sequence[Row], lines: Mapping[str, int]) -> None:
        """The groups as a picture, where there are any."""
        sheet = self.out / SHEET
        members = {row.source: self._member(row, lines[row.source]) for row in rows}
        groups: dict[str, list[Member]] = {}
        for row in rows:
            if row.action == "aside":
                groups.setdefault(str(row.figures["duplicate_of"]), []).append(members[row.source])
        if groups:
            draw_sheet([(members[kept], tuple(others)) for kept, others in groups.items()], sheet)
        else:
            sheet.unlink(missing_ok=True)

    def _member(self, row: Row, line: int) -> Member:
        return Member(
            name=row.source,
            line=line,
            path=self.out / row.output,
            size=f"{row.figures['width']}x{row.figures['height']}",
            modified=row.modified,
            distance=int(row.figures["distance"] or 0),
        )
