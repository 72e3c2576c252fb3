"""Reads picture files of every common kind into one form, and finds them in folders.

Whatever a file holds (EXIF rotation, CMYK, a palette, 16 bits, transparency, an animation) it becomes RGB of 8 bits,
upright, on white. A file that cannot is an `UnreadableImage` with a reason, never a crash in the middle of a run.
"""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.errors import DataError, Problem, UnreadableImage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Files with these endings, in upper or lower case, are taken for pictures."""

MAX_PIXELS = 178_956_970
"""Larger pictures are refused before they are decoded: a few bytes can unpack to all memory (Pillow's own limit)."""

MAX_ASPECT = 32
"""Pictures narrower than 1:32 are refused: scaling their short side up would make them huge."""


def read_picture(path: str | os.PathLike[str], *, max_aspect: float | None = MAX_ASPECT) -> npt.NDArray[np.uint8]:
    """The picture as (height, width, 3) RGB, 0 to 255.

    Transparent parts become white, animations their first frame, 16-bit grey keeps its 8 high bits. Colour profiles
    are not applied.

    Args:
        path: the file.
        max_aspect: narrower pictures are refused; None where nothing is scaled by the short side.

    Raises:
        UnreadableImage: for a file that is missing, no picture, damaged, too large or too narrow.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS decides, below
            image = Image.open(path)
        with image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise UnreadableImage(shown(path), f"{width}x{height} is more than {MAX_PIXELS:,} pixels")
            if max_aspect is not None and max(width, height) > max_aspect * min(width, height):
                raise UnreadableImage(shown(path), f"{width}x{height} is narrower than 1:{max_aspect:g}")
            return np.asarray(_to_rgb(image), dtype=np.uint8)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage(shown(path), _why_no_picture(path)) from None
    except FileNotFoundError:
        raise UnreadableImage(shown(path), "the file is missing, or a link that leads nowhere") from None
    except Exception as error:  # damaged files make decoders raise nearly anything: struct, zlib, type errors
        raise UnreadableImage(shown(path), str(error) or type(error).__name__) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image, ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        upright = _to_eight_bits(upright)
    if "transparency" in upright.info or upright.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        transparent = upright.convert("LA" if upright.mode == "La" else "RGBA").convert("RGBA")
        white = Image.new("RGBA", transparent.size, "white")
        return Image.alpha_composite(white, transparent).convert("RGB")
    return upright.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if image.mode == "F" or values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
        raise ValueError(f"pixels of mode {image.mode!r} have no known range; save them with 8 or 16 bits")
    return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))


def _why_no_picture(path: str | os.PathLike[str]) -> str:
    size = os.stat(path).st_size
    return f"no picture of a known kind ({size:,} bytes)" if size else "the file is empty"


def shown(path: str | os.PathLike[str]) -> str:
    """The path as text that can be printed, whatever bytes its name holds."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def is_picture_name(name: str) -> bool:
    """Whether a file of this name is taken for a picture; hidden files are not."""
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """Every picture in a folder and the folders below it, as `picture_names` finds them."""
    root = Path(folder)
    return [root / name for name in picture_names(folder)]


def picture_names(folder: str | os.PathLike[str]) -> list[str]:
    """Paths of every picture below a folder, relative to it, with "/" between their parts, sorted.

    Links are followed, loops are not. A dangling link is listed, so that reading it says so. Hidden files and folders
    are left out.

    Raises:
        DataError: for a folder that cannot be listed.
    """
    found: list[str] = []
    try:
        _list(os.fspath(folder), "", (os.path.realpath(folder),), found)
    except OSError as error:
        raise DataError(
            Problem(message=f"the folder {shown(folder)} cannot be listed", found=error.strerror or str(error))
        ) from error
    found.sort()
    return found


def _list(folder: str, prefix: str, ancestors: tuple[str, ...], found: list[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            picture = is_picture_name(entry.name)
            if picture and entry.is_file(follow_symlinks=False):  # nearly always, and known without asking for it
                found.append(prefix + entry.name)
                continue
            try:
                mode: int | None = entry.stat().st_mode
            except OSError:  # a dangling link, or one that leads to itself
                mode = None
            if mode is not None and stat.S_ISDIR(mode):
                real = os.path.realpath(entry.path)
                if real not in ancestors:
                    _list(entry.path, f"{prefix}{entry.name}/", (*ancestors, real), found)
            elif picture and (mode is None or stat.S_ISREG(mode)):
                found.append(prefix + entry.name)
