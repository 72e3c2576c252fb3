"""The pictures of a page: each is in it once, however often it is shown. Read by `toonforge.Store` of pictures.js."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
QUALITY = 72
"""Of JPEGs that are saved anew because the page would grow too large with the originals."""

LONGEST = (800, 400, 200)
"""Pixels of the longer side of what is saved anew for little room, the first that fits."""


class Pictures:
    """Pictures by number, equal bytes once."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._pictures: list[tuple[str, str]] = []
        self.size = 0
        """Characters that the pictures take in the page."""

    def add(
        self, path: Path, size: tuple[int, int] | None = None, smaller: bool = False, room: int | None = None
    ) -> int | None:
        """The picture's number, None where there is none that can be read.

        Args:
            path: of a JPEG, PNG or WebP.
            size: the width and height it must have.
            smaller: save it anew, as a JPEG of lower quality and as many pixels.
            room: characters that it may take; one that takes more is saved anew, with fewer pixels too, or left out.
        """
        from PIL import Image

        try:
            content = path.read_bytes()
            with Image.open(io.BytesIO(content)) as picture:
                mime = MIMES.get(picture.format or "")
                if mime is None or (size is not None and picture.size != size):
                    return None
                if smaller:
                    content, mime = _jpeg(picture), "image/jpeg"
                for longest in LONGEST:
                    if room is not None and characters(len(content)) > room:
                        content, mime = _jpeg(picture, longest), "image/jpeg"
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
        digest = hashlib.sha256(content).digest()
        if digest not in self._numbers:
            if room is not None and characters(len(content)) > room:
                return None
            code = base64.b64encode(content).decode("ascii")
            self._numbers[digest] = len(self._pictures)
            self._pictures.append((mime, code))
            self.size += len(code)
        return self._numbers[digest]

    def data(self) -> list[tuple[str, str]]:
        """(mime, base64) by number, for the page."""
        return self._pictures


def characters(size: int) -> int:
    """That so many bytes take in the page."""
    return -(-size // 3) * 4


def _jpeg(picture: Image.Image, longest: int | None = None) -> bytes:
    """A picture of lower quality; of no more pixels a side than `longest`."""
    made, buffer = picture.convert("RGB"), io.BytesIO()
    if longest is not None:
        made.thumbnail((longest, longest))
    made.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
