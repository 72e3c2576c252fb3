"""A translation as a file: with its original's transparency, colour profile and EXIF block, whole or not there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.files import beside
from toonforge.use.pictures.original import Original
from toonforge.use.pictures.plan import KEPT

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]

OPAQUE = ("JPEG", "BMP")
"""Kinds without transparency: what is transparent is laid on white."""
_JPEG_EXIF = 65_533
"""Bytes that a segment of a JPEG file takes."""


def encoded(original: Original, pixels: Picture, kind: str) -> bytes:
    """A translation as the bytes of a file.

    Args:
        original: what was translated.
        pixels: (height, width, 3): its translation.
        kind: Pillow's name of the kind of file, of those in `KEPT`.

    Raises:
        OSError: such a file cannot hold the picture, being too large.
    """
    from PIL import Image

    options: dict[str, Any] = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    if original.profile is not None and kind != "BMP":
        options["icc_profile"] = original.profile
    exif = original.exif
    if exif is not None and kind != "BMP" and not (kind == "JPEG" and len(exif) > _JPEG_EXIF):
        options["exif"] = exif
    image = Image.fromarray(pixels)
    if original.alpha is not None:
        image.putalpha(Image.fromarray(original.alpha))
        if kind in OPAQUE:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    file = io.BytesIO()
    try:
        image.save(file, kind, **options)
    except (OSError, ValueError) as error:  # a WebP has 16,383 pixels a side at most, a JPEG 65,535
        raise OSError(f"{kind} does not hold a picture of {image.width}x{image.height} ({error})") from error
    return file.getvalue()


def write(original: Original, pixels: Picture, target: Path) -> None:
    """Write a translation; its folder is made. Raises `OSError` where that is not possible."""
    data = encoded(original, pixels, KEPT[target.suffix.lower()])
    target.parent.mkdir(parents=True, exist_ok=True)
    with beside(target) as temporary, temporary.open("xb") as file:
        file.write(data)
