"""How large a picture is, and of which kind, from its header alone."""

from __future__ import annotations

import io
import os
import stat

from toonforge.data.reading.pillow import opened
from toonforge.data.reading.upright import orientation_of


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """(width, height) of the upright picture, in pixels; None for a file whose header does not say. Decodes nothing."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            return None
        with open(path, "rb") as file, opened(file) as image:
            width, height = image.size
            return (height, width) if orientation_of(image) >= 5 else (width, height)
    except Exception:  # damaged headers make Pillow raise nearly anything; reading the picture says what is wrong
        return None


def kind_of(source: str | os.PathLike[str] | bytes) -> str | None:
    """Pillow's name of the kind of picture that a file, or what it holds, is: "JPEG"; None for none that is read."""
    try:
        if not isinstance(source, bytes) and not stat.S_ISREG(os.stat(source).st_mode):
            return None
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file, opened(file) as image:
            return image.format
    except Exception:  # as above
        return None
