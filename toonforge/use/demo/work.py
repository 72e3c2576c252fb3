"""What the page does with a picture: each model's translation of it, as a file to keep and as pictures to compare."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.errors import Problem, RunError, ToonforgeError
from toonforge.use.demo.upload import plain_name
from toonforge.use.look import Look
from toonforge.use.pictures.computing import compute
from toonforge.use.pictures.original import Original
from toonforge.use.pictures.plan import KEPT
from toonforge.use.pictures.written import write

if TYPE_CHECKING:
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


def make(offered: Offered, room: Room, original: Original, name: str, to: str, look: Look) -> Made:
    """Translate an upload: the file is the one that `toonforge translate` writes.

    Args:
        room: where the file goes.
        original: the upload, as `read_upload` gives it.
        name: what the file is called.
        to: one of the model's domains.

    Raises:
        ToonforgeError: the model cannot translate it, or such a file cannot hold it.
        Closed: the page has ended meanwhile.
    """
    begun = time.perf_counter()
    with room.used():
        (pixels,) = compute(offered.model, [original], to, look, check=room.check)
    if isinstance(pixels, ToonforgeError):
        raise pixels
    seconds = time.perf_counter() - begun
    file = room.place(name)
    try:
        write(original, pixels, file)
    except OSError as error:
        raise RunError(Problem(message=f"{name} cannot be written", found=error.strerror or str(error))) from None
    height, width, _ = pixels.shape
    return Made(
        file=file,
        before=preview(original),
        after=preview(attrs.evolve(original, pixels=pixels)),
        size=(width, height),
        seconds=seconds,
    )


def download_name(upload: str, to: str, label: str = "") -> str:
    """What a translation is called: "beach.jpg" -> "beach-anime.jpg"; .png where its kind is read but not written.

    Args:
        upload: what the upload was called.
        label: of the model, where there are several: "beach-anime-try.jpg".
    """
    name = Path(plain_name(upload))
    ending = name.suffix if name.suffix.lower() in KEPT else ".png"
    return "-".join(plain_name(part) for part in (name.stem, to, label) if part).replace(" ", "_") + ending


def preview(picture: Original) -> str:
    """A picture as a page shows it: JPEG of at most `PREVIEW` pixels a side, on white, in the page's own text."""
    from PIL import Image

    image = Image.fromarray(picture.seen())
    if picture.alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, "white"), Image.fromarray(picture.alpha))
    image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=92, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getbuffer()).decode("ascii")
