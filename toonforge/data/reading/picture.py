"""Reads picture files of every common kind into one form, and finds them in folders.

Whatever a file holds (EXIF rotation, CMYK, a palette, 16 bits, transparency, an animation) it becomes RGB of 8 bits,
upright, on white. A file that cannot is an `UnreadableImage` with a reason, never a crash in the middle of a run.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from toonforge.data.reading.again import may_pass
from toonforge.data.reading.jpeg import MAX_PASSES, START, passes, read_jpeg
from toonforge.data.reading.pillow import kinds, read_any
from toonforge.errors import DataError, Problem, UnreadableImage
from toonforge.memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
"""Files with these endings, in upper or lower case, are taken for pictures."""

MAX_PIXELS = 178_956_970
"""Larger pictures are refused before they are decoded: a few bytes can unpack to all memory (Pillow's own limit)."""

MAX_ASPECT = 32
"""Pictures narrower than 1:32 are refused: scaling their short side up would make them huge."""

_MAX_WHOLE = 256 * 2**20
"""JPEG files up to this many bytes are read in one piece; larger ones by Pillow, as it needs them."""

_UNKNOWN = {b"ftypavif": "AVIF", b"ftypavis": "AVIF", b"ftypheic": "HEIC", b"ftypheix": "HEIC", b"ftypmif1": "HEIC"}


def read_picture(
    source: str | os.PathLike[str] | bytes,
    *,
    short: int | None = None,
    max_aspect: float | None = MAX_ASPECT,
    name: str | None = None,
) -> npt.NDArray[np.uint8]:
    """The picture as (height, width, 3) RGB, 0 to 255.

    Transparent parts become white, animations their first frame, of 16 bits the 8 high ones are kept. Colour profiles
    are not applied. JPEG is decoded by simplejpeg where that is installed, into the same pixels.

    Args:
        source: the file's path, or what it holds.
        short: a short side that is enough, in pixels: JPEG is then decoded at 1/2, 1/4 or 1/8 of its size where its
            short side does not fall below this. Quicker, and other pixels than scaling the whole picture down gives.
        max_aspect: narrower pictures are refused; None where nothing is scaled by the short side.
        name: what to call the picture in errors; its path when left out.

    Raises:
        UnreadableImage: for a file that is missing, no picture, damaged, too large or too narrow; `passing` where the
            system, and not the file, is to blame.

    Examples:
        >>> from toonforge.data import read_picture
        >>> picture = read_picture("photo.jpg")
        >>> picture.shape, picture.dtype
        ((48, 64, 3), dtype('uint8'))
    """
    from PIL import Image, UnidentifiedImageError

    def check(width: int, height: int) -> None:
        if width * height > MAX_PIXELS:
            raise _Refused(f"{width}x{height} is more than {MAX_PIXELS:,} pixels")
        if max_aspect is not None and max(width, height) > max_aspect * min(width, height):
            raise _Refused(f"{width}x{height} is narrower than 1:{max_aspect:g}")

    passing = False
    try:
        if isinstance(source, bytes):
            return _decoded(source, io.BytesIO(source), short, check)
        if not stat.S_ISREG(os.stat(source).st_mode):  # a pipe would be waited for, a device may have no end
            raise _Refused("no file")
        with open(source, "rb", buffering=0) as file:
            whole = file.read(len(START)) == START and os.fstat(file.fileno()).st_size <= _MAX_WHOLE
            file.seek(0)
            data = file.read() if whole else b""
            return _decoded(data, io.BytesIO(data) if whole else io.BufferedReader(file), short, check)
    except UnidentifiedImageError:
        reason, cause = _why_no_picture(source), None
    except _Refused as refused:
        reason, cause = str(refused), None
    except Image.DecompressionBombError:  # of a part of the file, such as a frame
        reason, cause = f"it holds more than {MAX_PIXELS:,} pixels", None
    except Exception as error:  # damaged files make decoders raise nearly anything: struct, zlib, type errors
        reason, cause = why_not_opened(error) if isinstance(error, OSError) else str(error), error
        passing = may_pass(error)
        if is_out_of_memory(error):
            reason = "not enough memory"
        elif " " not in reason:  # a number, or a key
            reason = f"damaged ({type(error).__name__} {reason})"
    called = name or ("a picture" if isinstance(source, bytes) else shown(source))
    raise UnreadableImage(called, reason, passing=passing) from cause


class _Refused(Exception):
    """The reason why a file is not decoded."""


def _decoded(data: bytes, file: IO[bytes], short: int | None, check: Callable[[int, int], None]) -> Picture:
    if not data.startswith(START):
        return read_any(file, short, check)
    picture = read_jpeg(data, short, check)
    if picture is None and passes(data) > MAX_PASSES:
        raise _Refused(f"it comes in more than {MAX_PASSES} passes")
    return read_any(file, short, check) if picture is None else picture


def why_not_opened(error: OSError) -> str:
    """Why the system, or a decoder, does not read a file."""
    if error.errno == errno.ENOENT:
        return "the file is missing, or a link that leads nowhere"
    if error.errno == errno.ELOOP:
        return "a link that leads in a circle"
    return error.strerror or str(error)


def _why_no_picture(source: str | os.PathLike[str] | bytes) -> str:
    if isinstance(source, bytes):
        start, size = source[:12], len(source)
    else:
        try:
            with open(source, "rb") as file:
                start, size = file.read(12), os.stat(source).st_size
        except OSError as error:  # gone since it was looked into
            return why_not_opened(error)
    kind = _UNKNOWN.get(start[4:12])
    if kind is not None and kind not in kinds():
        return f"a picture of the kind {kind}, which this version of Pillow does not read"
    return f"no picture of a known kind ({size:,} byte{'s' * (size != 1)})" if size else "the file is empty"


def shown(path: str | os.PathLike[str]) -> str:
    """The path as text that can be printed, whatever bytes its name holds."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def is_picture_name(name: str) -> bool:
    """Whether a file of this name is taken for a picture; hidden files are not.

    Examples:
        >>> from toonforge.data import is_picture_name
        >>> is_picture_name("a.JPG"), is_picture_name("notes.txt")
        (True, False)
    """
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """Every picture in a folder and the folders below it, as `picture_names` finds them.

    Examples:
        >>> from toonforge.data import list_pictures
        >>> [path.name for path in list_pictures("photos")]
        ['0.jpg', '1.jpg', '2.jpg', '3.jpg']
    """
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
