"""Small copies of the few pictures that a report shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.data.reading import read_picture
from toonforge.errors import UnreadableImage

if TYPE_CHECKING:
    from PIL import Image

SIDE = 224
"""The longer side of a small copy, in pixels: sharp at half of it on a screen of double density."""
QUALITY = 74
_AT_ONCE = 2  # each may hold a picture of the largest size that is read


def make_thumbs(paths: Mapping[str, Path], wanted: Iterable[str]) -> dict[str, Image.Image]:
    """Source -> its small copy. A file that has gone or changed for the worse since it was measured is left out."""
    sources = list(dict.fromkeys(source for source in wanted if source in paths))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        made = pool.map(lambda source: _thumb(paths[source]), sources)
        return {source: thumb for source, thumb in zip(sources, made) if thumb is not None}


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
