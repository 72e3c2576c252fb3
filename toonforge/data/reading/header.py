"""How large a picture is, from its file's header alone."""

from __future__ import annotations

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
