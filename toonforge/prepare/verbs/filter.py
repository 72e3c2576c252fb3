"""Pictures that training suffers from, put aside: `toonforge data filter`."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from toonforge.data.reading.picture import read_picture
from toonforge.data.reading.pillow import opened
from toonforge.errors import DataError, Problem
from toonforge.extras import need
from toonforge.prepare.engine.copying import place, unreadable, write_whole
from toonforge.prepare.engine.sources import beside, pictures_below
from toonforge.prepare.engine.task import Outcome, Progress, Source
from toonforge.prepare.engine.work import Report, work
from toonforge.prepare.quality.bars import Bars, letterbox
from toonforge.prepare.quality.judging import Limits, Look, faults
from toonforge.prepare.quality.measures import FIGURES, face_ratio, measured

if TYPE_CHECKING:
    from toonforge.data.faces import FaceFinder
    from toonforge.data.transforms import Picture

ASIDE, CROP, KEEP = "aside", "crop", "keep"
LETTERBOXES = (ASIDE, CROP, KEEP)
"""What may become of pictures with bars: put aside, kept without the bars, kept with them."""


@attrs.frozen(kw_only=True)
class Sort:
    """A task of the engine: measures one picture, judges it, and puts it into its place.

    Attributes:
        limits: what it must be like.
        letterbox: one of `LETTERBOXES`.
        link: hard links in place of copies.
    """

    limits: Limits
    letterbox: str
    link: bool

    columns: ClassVar[tuple[str, ...]] = ("width", "height", *FIGURES, "bars", "face")

    def __call__(self, source: Source, out: Path) -> Outcome:
        """OUT/kept/NAME, or OUT/aside/FAULT/NAME. Raises `UnreadableImage`."""
        whole = read_picture(source.path)
        bars = letterbox(whole)
        picture = bars.cut(whole)  # black bars would make a picture dark
        kept = picture if self.letterbox == CROP else whole
        face = face_ratio(kept, _finder()) if self.limits.faces else ""
        look = Look(
            height=kept.shape[0],
            width=kept.shape[1],
            bars=round(bars.share(whole), 4),
            face=round(face, 4) if isinstance(face, float) else face,
            **measured(picture),
        )
        found = faults(look, self.limits, letterboxed=self.letterbox == ASIDE and bool(bars))
        figures = attrs.asdict(look)
        if found:
            output = f"aside/{found[0].name}/{source.name}"
            place(source.path, out / output, self.link)
            return Outcome(action="aside", output=output, reason="; ".join(map(str, found)), figures=figures)
        output = f"kept/{source.name}"
        if bars and self.letterbox == CROP:
            reason = _save(bars, picture, source.path, out / output)
            return Outcome(action="cropped", output=output, reason=reason, figures=figures)
        place(source.path, out / output, self.link)
        return Outcome(action="kept", output=output, figures=figures)


def filter_pictures(
    source: str | Path,
    out: str | Path | None = None,
    *,
    limits: Limits | None = None,
    letterbox: str = ASIDE,
    link: bool = False,
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Copy the pictures of a folder into OUT/kept, and those with faults into OUT/aside/FAULT.

    Args:
        source: the folder; it is only read.
        out: a folder of this function's own; one beside the source, "photos-filtered", when left out.
        limits: what a picture must be like; see there for what is taken when left out.
        letterbox: what becomes of pictures with bars: "aside", "crop" (kept without the bars, saved anew) or "keep".
        link: hard links in place of copies, where possible.
        prune: remove pictures whose sources are gone.
        workers, force, progress: as `toonforge.prepare.engine.work.work` takes them.

    Raises:
        DataError: a folder cannot be used, or `letterbox` is none of the three.
        ToonforgeError: faces are asked for, and OpenCV is missing.

    Examples:
        >>> from toonforge.prepare import Limits, filter_pictures
        >>> filter_pictures("photos", "large", limits=Limits(min_side=64), workers=1).counts  # all are too small
        {'aside': 4}
    """
    if letterbox not in LETTERBOXES:
        raise DataError(Problem(message="what to do with bars?", found=letterbox, expected=", ".join(LETTERBOXES)))
    limits = limits or Limits()
    if limits.faces:
        need("cv2", "finding faces needs", ", or leave out the limits of faces")
        _finder()  # better missed here than in every process
    source = Path(source)
    out = beside(source, "filtered") if out is None else Path(out)
    settings = {**attrs.asdict(limits), "letterbox": letterbox, "link": link}
    task = Sort(limits=limits, letterbox=letterbox, link=link)
    return work(
        "filter",
        source,
        pictures_below(source),
        task,
        out,
        settings,
        workers=workers,
        force=force,
        prune=prune,
        progress=progress,
    )


def _save(bars: Bars, picture: Picture, source: Path, path: Path) -> str:
    """Save a picture that had bars, in the format that its source has, whatever that is called; tell what was done.

    JPEG with little loss, AVIF within 3 levels of 255, all other formats without any.
    """
    from PIL import Image

    file = io.BytesIO()
    try:
        with source.open("rb") as reading, opened(reading) as image:
            format = "JPEG" if image.format == "MPO" else str(image.format)
    except OSError as error:  # it has gone meanwhile
        raise unreadable(source, error) from error
    Image.fromarray(picture).save(file, format, **_BEST.get(format, {}))
    write_whole(path, file.getvalue())
    sides = [f"{side} {width}" for side, width in attrs.asdict(bars).items() if width]
    return f"bars cut off, in pixels: {', '.join(sides)}"


_BEST: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True},
}


@lru_cache(1)
def _finder() -> FaceFinder:
    """One a process."""
    import cv2

    from toonforge.data.faces import FaceFinder

    cv2.setNumThreads(1)  # the processes share the cores already
    return FaceFinder()
