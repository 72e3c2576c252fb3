"""What the page does with a picture: each model's translation of it, as a file to keep and as pictures to compare."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.data.reading.picture import read_picture
from toonforge.use.demo.upload import plain_name
from toonforge.use.look import Look
from toonforge.use.translate import KEPT

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture
    from toonforge.use.demo.remembering import Remembering
    from toonforge.use.demo.room import Room

PREVIEW = 1600
"""Pixels of the long side of the pictures on the page; the file to keep has all of them."""


@attrs.frozen(kw_only=True)
class Offered:
    """A model on the page.

    Attributes:
        label: what it is called there, unlike every other.
        given: what the user called it.
        model: what translates.
    """

    label: str
    given: str
    model: Remembering


@attrs.frozen(kw_only=True)
class Made:
    """A translation.

    Attributes:
        file: whole, under the name that it is downloaded by.
        before, after: as they are shown, "data:image/jpeg;base64,…".
        size: width and height of the whole picture, in pixels.
        seconds: how long it took.
    """

    file: Path
    before: str
    after: str
    size: tuple[int, int]
    seconds: float


def make(
    offered: Offered, room: Room, upload: Path, name: str, picture: Picture, to: str, look: Look, *, several: bool
) -> Made:
    """Translate an upload as `toonforge translate` does.

    Args:
        room: where the result goes.
        upload: the file; name: what it was called; picture: its pixels, as `read_upload` gives them.
        to: one of the model's domains.
        several: whether other models translate the same picture.

    Raises:
        ToonforgeError: the model cannot translate it.
    """
    from toonforge.use.translate import Job, translate_file

    begun = time.perf_counter()
    target = room.place(download_name(name, to, offered.label if several else ""))
    translate_file(offered.model.with_look(look), Job(upload, target), to)
    seconds = time.perf_counter() - begun
    return Made(
        file=target,
        before=preview(picture),
        after=preview(read_picture(target, max_aspect=None)),
        size=(picture.shape[1], picture.shape[0]),
        seconds=seconds,
    )


def download_name(name: str, to: str, label: str = "") -> str:
    """What a translation is called: "beach.jpg" -> "beach-anime.jpg"; .png where its kind is not written.

    Args:
        name: of the upload.
        label: of the model where there are several: "beach-anime-try.jpg".
    """
    upload = Path(plain_name(name))
    ending = upload.suffix if upload.suffix.lower() in KEPT else ".png"
    parts = [upload.stem, *(part for part in (to, plain_name(label) if label else "") if part)]
    return "-".join(parts).replace(" ", "_") + ending


def preview(picture: Picture) -> str:
    """A picture as a page shows it: JPEG of at most `PREVIEW` pixels a side, in the text of the page itself."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=92, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getbuffer()).decode("ascii")
