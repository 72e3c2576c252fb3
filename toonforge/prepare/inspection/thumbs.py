"""Small copies of the few pictures that a report shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.data.reading.picture import read_picture
from toonforge.errors import UnreadableImage
from toonforge.prepare.engine.task import Outcome, Progress

if TYPE_CHECKING:
    from PIL import Image

SIDE = 224
"""The longer side of a small copy, in pixels: sharp at half of it on a screen of double density."""
QUALITY = 74


def make_thumbs(
    paths: Mapping[str, Path], wanted: Iterable[str], progress: Progress | None = None
) -> dict[str, Image.Image]:
    """Source -> its small copy. A file that has gone or changed for the worse since it was measured is left out."""
    sources = list(dict.fromkeys(source for source in wanted if source in paths))
    if progress is not None:
        progress.begin("draw the report", len(sources), 0)
    thumbs: dict[str, Image.Image] = {}
    for source in sources:
        if (thumb := _thumb(paths[source])) is not None:
            thumbs[source] = thumb
        if progress is not None:
            progress.advance(Outcome(action="drawn"))
    return thumbs


def _thumb(path: Path) -> Image.Image | None:
    from PIL import Image

    try:
        picture = Image.fromarray(read_picture(path, short=SIDE))
    except UnreadableImage:
        return None
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def data_uri(thumb: Image.Image) -> str:
    """A small copy as it stands in a page, with no file beside it."""
    buffer = io.BytesIO()
    thumb.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
