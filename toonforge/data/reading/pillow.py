"""Pictures of every kind by Pillow, as upright RGB of 8 bits on white.

Only the kinds of picture that folders of pictures hold: Pillow knows others, some of which start programs (EPS) or
unpack without limits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import IO, TYPE_CHECKING

from toonforge.data.reading.upright import orientation_of, turned

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Picture = npt.NDArray[np.uint8]

_KINDS = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "GIF": "GifImagePlugin",
    "TIFF": "TiffImagePlugin",
    "BMP": "BmpImagePlugin",
    "AVIF": "AvifImagePlugin",
}
"""Kind of picture -> the module of Pillow that reads it."""

_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_MAX_TILE = 2**26


def read_any(file: IO[bytes], short: int | None, check: Callable[[int, int], None]) -> Picture:
    """The upright picture as (height, width, 3) RGB.

    Args:
        file: what to read, from its start.
        short: a short side that is enough; JPEG may come smaller, see `toonforge.data.reading.jpeg.reduction`.
        check: called with the width and the height before anything is decoded, to refuse them.

    Raises:
        UnidentifiedImageError: no picture of a kind that this Pillow reads.
        Exception: anything, for damaged files.
    """
    import numpy as np

    with opened(file, check) as image:
        check(*image.size)
        _check_tiles(image)
        if short is not None:
            image.draft(None, (short, short))
        image.load()
        return turned(np.array(to_rgb(image), dtype=np.uint8), orientation_of(image))


@contextmanager
def opened(file: IO[bytes], check: Callable[[int, int], None] | None = None) -> Iterator[Image.Image]:
    """A file opened by Pillow, not decoded yet. Warnings are silent: a file is read or refused.

    Where Pillow itself refuses it for its size, `check` is first told that size.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file, formats=kinds())
        except Image.DecompressionBombError:
            if check is not None and (size := _size(file)) is not None:
                check(*size)
            raise
        with image:
            yield image


def _size(file: IO[bytes]) -> tuple[int, int] | None:
    """The width and the height that the header of a file claims which `Image.open` refuses; None where none is told."""
    from PIL import Image

    for kind in kinds():
        factory, accept = Image.OPEN[kind]
        with suppress(Exception):  # of another kind
            file.seek(0)
            if accept is None or accept(file.read(16)) is True:
                file.seek(0)
                return factory(file, "").size
    return None


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of picture that the installed Pillow reads, of those that are read at all."""
    from PIL import Image

    for module in _KINDS.values():
        try:
            import_module(f"PIL.{module}")
        except ImportError:  # AVIF, before Pillow 11.3
            continue
    return tuple(kind for kind in _KINDS if kind in Image.OPEN)


def _check_tiles(image: Image.Image) -> None:
    """A TIFF file may say that its tiles are far larger than the picture; memory for one is taken all the same."""
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
    if width * height > _MAX_TILE:
        raise ValueError(f"tiles of {width}x{height} are more than {_MAX_TILE:,} pixels")


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as RGB of 8 bits, on white. Raises `ValueError` for values of no known range."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        image = _to_eight_bits(image)
    if image.mode == "LAB":
        return _from_lab(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        straight = image.convert("LA") if image.mode == "La" else image
        transparent = straight if straight.mode == "RGBA" else straight.convert("RGBA")
        white = Image.new("RGBA", transparent.size, "white")
        return Image.alpha_composite(white, transparent).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if image.mode == "F" or values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
        raise ValueError(f"pixels of mode {image.mode!r} have no known range; save them with 8 or 16 bits")
    return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    if converted is None:
        raise ValueError("its colours (LAB) cannot be converted")
    return converted
