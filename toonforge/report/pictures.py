"""The pictures of a page: each is in it once, however often it is shown. Read by `toonforge.Store` of pictures.js."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
QUALITY = 72
"""Of JPEGs that are saved anew because the page would grow too large with the originals."""


class Pictures:
    """Pictures by number, equal bytes once."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._pictures: list[tuple[str, str]] = []
        self.size = 0
        """Characters that the pictures take in the page."""

    def add(self, path: Path, size: tuple[int, int] | None = None, smaller: bool = False) -> int | None:
        """The picture's number, None where there is none that can be read.

        Args:
            path: of a JPEG, PNG or WebP.
            size: the width and height it must have.
            smaller: save it anew, as a JPEG of lower quality and as many pixels.
        """
        from PIL import Image

        try:
            content = path.read_bytes()
            with Image.open(io.BytesIO(content)) as picture:
                mime = MIMES.get(picture.format or "")
                if mime is None or (size is not None and picture.size != size):
                    return None
                if smaller:
                    buffer = io.BytesIO()
                    picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY)
                    content, mime = buffer.getvalue(), "image/jpeg"
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
        digest = hashlib.sha256(content).digest()
        if digest not in self._numbers:
            code = base64.b64encode(content).decode("ascii")
            self._numbers[digest] = len(self._pictures)
            self._pictures.append((mime, code))
            self.size += len(code)
        return self._numbers[digest]

    def data(self) -> list[tuple[str, str]]:
        """(mime, base64) by number, for the page."""
        return self._pictures
