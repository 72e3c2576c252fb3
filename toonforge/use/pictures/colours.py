"""Colour profiles: what a picture's numbers mean, and what the networks, which know sRGB alone, are given for them.

A picture without a profile, or with one that means sRGB, is translated number by number. One with another RGB profile
(Display P3, Adobe RGB) is converted to sRGB for the networks, and their output back to its own numbers, so that the
profile it keeps is true of them. CMYK and grey pictures with a profile are converted to sRGB and stay so: a
translation holds RGB. Colours are matched relative to white, with black on black.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Picture = npt.NDArray[np.uint8]

SPACES = {b"RGB ": "RGB", b"CMYK": "CMYK", b"GRAY": "L"}
"""What bytes 16 to 20 of a profile say that it describes, and Pillow's mode of such pictures."""
NEAR = 2
"""Colours that a profile moves by no more than this, of 255, from sRGB are taken for sRGB's."""
MOST_BYTES = 2**22
"""A larger profile is not looked into."""
_NO_CACHE, _BLACK_POINT = 0x0040, 0x2000
"""LittleCMS's flags: used by several threads at once; black becomes black."""


def space_of(profile: object) -> str | None:
    """Pillow's mode of the pictures that an ICC profile describes; None for what is no such profile."""
    return SPACES.get(profile[16:20]) if isinstance(profile, bytes) else None


@attrs.frozen(eq=False)
class Conversion:
    """Between the numbers of an RGB profile and sRGB's."""

    _inward: Any
    _outward: Any

    def to_srgb(self, pixels: Picture) -> Picture:
        """(height, width, 3) -> the same, of sRGB; what does not fit there is clipped."""
        return _applied(self._inward, pixels)

    def from_srgb(self, pixels: Picture) -> Picture:
        """(height, width, 3) of sRGB -> the same colours as the profile's numbers."""
        return _applied(self._outward, pixels)


@lru_cache(maxsize=16)
def conversion_of(profile: bytes | None) -> Conversion | None:
    """How the numbers of an RGB profile become sRGB's; None where they are, or where it cannot be used."""
    if profile is None:
        return None
    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")
    try:
        made = Conversion(_transform(profile, srgb, "RGB", "RGB"), _transform(srgb, profile, "RGB", "RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # damaged, or none that pictures are written with
        return None
    return None if _is_near_srgb(made) else made


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """A CMYK or grey picture as sRGB; None where its profile cannot be used."""
    from PIL import ImageCms

    try:
        transform = _transform(profile, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        converted: Image.Image | None = ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return converted


def _transform(source: Any, target: Any, mode: str, output: str) -> Any:
    from PIL import ImageCms

    def opened(profile: Any) -> Any:
        if not isinstance(profile, bytes):
            return profile
        if len(profile) > MOST_BYTES:
            raise ValueError("a large profile")
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))

    flags: Any = _NO_CACHE | _BLACK_POINT  # as numbers: Pillow before 10.3 has no names for them
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(opened(source), opened(target), mode, output, intent, flags)


def _is_near_srgb(conversion: Conversion) -> bool:
    import numpy as np

    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    moved = np.abs(conversion.to_srgb(colours).astype(int) - colours)
    return bool(moved.max() <= NEAR)


def _applied(transform: Any, pixels: Picture) -> Picture:
    import numpy as np
    from PIL import Image, ImageCms

    converted = ImageCms.applyTransform(Image.fromarray(pixels), transform)
    assert converted is not None
    return np.array(converted)
