"""Cartoons of the photographs in a folder, by a picture filter: pairs to train on, where nobody has drawn any."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from toonforge.data.files import item_name
from toonforge.data.filters.cartoonize import DEFAULT_STYLE, STYLES
from toonforge.errors import DataError, Problem
from toonforge.extras import need
from toonforge.names import did_you_mean
from toonforge.prepare.engine.sources import beside
from toonforge.prepare.engine.task import Outcome, Progress, Source
from toonforge.prepare.engine.work import Report, work
from toonforge.prepare.verbs.names import telling
from toonforge.prepare.verbs.redraw import SIZE, redraw, sources_for


@attrs.frozen(kw_only=True)
class Cartoonize:
    """A task of the engine: one photograph.

    Attributes:
        styles: of `toonforge.data.STYLES`, each once.
        seed: another seed draws other styles.
        size, format: as `toonforge.prepare.verbs.redraw.redraw` takes them.
    """

    styles: tuple[str, ...]
    seed: int
    size: int | None
    format: str

    columns: ClassVar[tuple[str, ...]] = ("style", "width", "height")

    def __call__(self, source: Source, out: Path) -> Outcome:
        """Write the cartoon. Raises `UnreadableImage`."""
        style = self.style(source.name)
        _, _, outcome = redraw(source, out, self.format, self.size, STYLES[style])
        return attrs.evolve(outcome, figures={"style": style, **outcome.figures})

    def style(self, name: str) -> str:
        """The style of a file: its name draws one, whatever its ending, so files that are added move none."""
        digest = hashlib.sha256(f"{self.seed}/{item_name(name)}".encode()).digest()
        return self.styles[int.from_bytes(digest[:8], "big") % len(self.styles)]


def cartoonize(
    source: str | Path,
    out: str | Path | None = None,
    *,
    styles: str | Sequence[str] = DEFAULT_STYLE,
    seed: int = 0,
    size: int | None = SIZE,
    format: str = "png",
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Make a cartoon of every picture in a folder: `toonforge.data.filters.cartoonize` of each, with the same name.

    Args:
        source: the folder; it is only read.
        out: a folder of this function's own; one beside the source, "photos-cartoonized", when left out.
        styles: one of `toonforge.data.STYLES`, or several: each file's name and the seed then draw one of them.
        seed: of that drawing.
        size: short side, in pixels, that larger pictures are scaled down to first; None keeps their size.
        format: "png", "jpg" or "webp" (without loss).
        prune: remove cartoons whose photographs are gone.
        workers, force, progress: as `toonforge.prepare.engine.work.work` takes them.

    Raises:
        DataError: a folder cannot be used, or a style, the size or the format will not do.
        ToonforgeError: OpenCV is missing.

    Examples:
        >>> from toonforge.prepare import cartoonize
        >>> cartoonize("photos", "cartoons", styles="drawn", size=32, workers=1).counts
        {'written': 4}
    """
    chosen = (styles,) if isinstance(styles, str) else tuple(dict.fromkeys(styles))
    for style in chosen or ("",):
        if style not in STYLES:
            raise DataError(
                Problem(
                    message=f"unknown style {style!r}",
                    expected=", ".join(STYLES),
                    hint=did_you_mean(style, STYLES),
                )
            )
    need("cv2", "picture filters need")
    source = Path(source)
    out = beside(source, "cartoonized") if out is None else Path(out)
    task = Cartoonize(styles=chosen, seed=seed, size=size, format=format)
    sources = sources_for(source, out, format, size)
    return work(
        "cartoonize",
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
