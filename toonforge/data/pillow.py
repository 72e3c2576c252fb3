"""Pictures of every kind by Pillow, as upright RGB of 8 bits on white.

Only the kinds of picture that folders of pictures hold: Pillow knows others, some of which start programs (EPS) or
unpack without limits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import IO, TYPE_CHECKING

from toonforge.data.upright import orientation_of, turned

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


def read_any(file: IO[bytes], short: int | None, check: Callable[[int, int], None]) -> Picture:
    """The upright picture as (height, width, 3) RGB.

    Args:
        file: what to read, from its start.
        short: a short side that is enough; JPEG may come smaller, see `toonforge.data.jpeg.reduction`.
        check: called with the width and the height before anything is decoded, to refuse them.

    Raises:
        UnidentifiedImageError: no picture of a kind that this Pillow reads.
        Exception: anything, for damaged files.
    """
    import numpy as np

    with opened(file) as image:
        check(*image.size)
        if short is not None:
            image.draft(None, (short, short))
        image.load()
        return turned(np.array(_to_rgb(image), dtype=np.uint8), orientation_of(image))


@contextmanager
def opened(file: IO[bytes]) -> Iterator[Image.Image]:
    """A file opened by Pillow, not decoded yet. Warnings are silent: a file is read or refused."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file, formats=_kinds()) as image:
            yield image


@cache
def _kinds() -> tuple[str, ...]:
    from PIL import Image

    for module in _KINDS.values():
        try:
            import_module(f"PIL.{module}")
        except ImportError:  # AVIF, before Pillow 11.3
            continue
    return tuple(kind for kind in _KINDS if kind in Image.OPEN)


def _to_rgb(image: Image.Image) -> Image.Image:
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
    return image.convert("RGB")


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
