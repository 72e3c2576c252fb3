"""Companions of cartoons with blurred edges, which CartoonGAN's discriminator is told are no cartoons."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import attrs

from toonforge.data.filters.edge_smoothing import smooth_edges as smoothed
from toonforge.errors import DataError, Problem
from toonforge.extras import need
from toonforge.prepare.engine.sources import beside
from toonforge.prepare.engine.task import Outcome, Progress, Source
from toonforge.prepare.engine.work import Report, work
from toonforge.prepare.verbs.names import telling
from toonforge.prepare.verbs.redraw import SIZE, redraw, sources_for


@attrs.frozen(kw_only=True)
class Smooth:
    """A task of the engine: one cartoon.

    Attributes:
        low, high, kernel: as `smooth_edges` takes them.
        size, format: as `toonforge.prepare.verbs.redraw.redraw` takes them.
    """

    low: float
    high: float
    kernel: int
    size: int | None
    format: str

    columns: ClassVar[tuple[str, ...]] = ("smoothed", "width", "height")

    def __call__(self, source: Source, out: Path) -> Outcome:
        """Write the companion; `smoothed` is the share of its pixels that differ. Raises `UnreadableImage`."""
        draw = partial(smoothed, low=self.low, high=self.high, size=self.kernel)
        picture, drawn, outcome = redraw(source, out, self.format, self.size, draw)
        share = float((picture != drawn).any(axis=-1).mean())
        return attrs.evolve(outcome, figures={"smoothed": round(share, 4), **outcome.figures})


def smooth_edges(
    source: str | Path,
    out: str | Path | None = None,
    *,
    low: float = 100,
    high: float = 200,
    kernel: int = 5,
    size: int | None = SIZE,
    format: str = "png",
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Blur every picture of a folder around its edges: `toonforge.data.smooth_edges` of each, with the same name.

    Args:
        source: the folder; it is only read.
        out: a folder of this function's own; one beside the source, "photos-smooth", when left out.
        low, high: thresholds of the edge detector's gradient, in levels of 255; `high` begins an edge, `low` ends it.
        kernel: how far around an edge is blurred, in pixels, odd.
        size: short side, in pixels, that larger pictures are scaled down to first; None keeps their size.
        format: "png", "jpg" or "webp" (without loss).
        prune: remove companions whose cartoons are gone.
        workers, force, progress: as `toonforge.prepare.engine.work.work` takes them.

    Raises:
        DataError: a folder cannot be used, or a threshold, the kernel, the size or the format will not do.
        ToonforgeError: OpenCV is missing.

    Examples:
        >>> from toonforge.prepare import smooth_edges
        >>> smooth_edges("drawings", "smoothed", size=32, workers=1).counts
        {'written': 4}
    """
    if kernel < 1 or kernel % 2 == 0 or kernel > LARGEST:
        raise DataError(
            Problem(message="the kernel will not do", found=str(kernel), expected=f"an odd number from 1 to {LARGEST}")
        )
    if not 0 <= low <= high:
        raise DataError(
            Problem(
                message="the thresholds will not do", found=f"low {low:g}, high {high:g}", expected="0 ≤ low ≤ high"
            )
        )
    need("cv2", "picture filters need")
    source = Path(source)
    out = beside(source, "smooth") if out is None else Path(out)
    task = Smooth(low=float(low), high=float(high), kernel=kernel, size=size, format=format)
    sources = sources_for(source, out, format, size)
    return work(
        "smooth-edges",
        source,
        sources,
        task,
        out,
        attrs.asdict(task),
        workers=workers,
        force=force,
        prune=prune,
        progress=progress,
        finish=telling(sources),
    )


LARGEST = 31
"""The largest kernel, in pixels; what is wider than this is no edge any more."""
