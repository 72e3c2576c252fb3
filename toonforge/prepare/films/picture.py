"""Makes a picture of a film's frame: upright, with square pixels, 8 bits a colour, transparent parts white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toonforge.data.transforms import scaled_size

if TYPE_CHECKING:
    from fractions import Fraction

    import av

    from toonforge.data.transforms import Picture

UNKNOWN = 2
"""The number of a colour space that a film does not name (H.273, table 4)."""

HD_HEIGHT, HD_WIDTH = 576, 1280
"""Films taller than, or as wide as this that name no colour space are taken for BT.709, smaller ones for BT.601, as
players do."""

STRANGE_PIXELS = 4.0
"""Pixels wider or taller than this, in heights or widths, are taken for a mistake in the file and for square."""

BILINEAR, BICUBIC, AREA, EXACT = 0x2, 0x4, 0x20, 0x2000 | 0x4000 | 0x40000
"""Methods of libswscale, and its flags for colours at full size and exact rounding, which PyAV names from 18 on."""


def to_picture(frame: av.VideoFrame, pixel: Fraction | None, short: int | None = None, fast: bool = False) -> Picture:
    """The frame as (height, width, 3) RGB, 0 to 255.

    More than 8 bits are rounded to 8. HDR is not tone-mapped.

    Args:
        frame: as decoded.
        pixel: width by height of a pixel; None for square ones.
        short: the short side is scaled down to this, never up.
        fast: bilinear in place of bicubic colours, for measuring.
    """
    import numpy as np
    from av.video.reformatter import ColorRange

    height, width = _size(frame, pixel)
    if short is not None and short < min(height, width):
        height, width = scaled_size(height, width, short)
    smaller = height * width < frame.height * frame.width
    # Area averaging is the one method of ffmpeg's that does not alias, however much smaller the picture becomes.
    method = AREA if smaller else BILINEAR if fast else BICUBIC
    see_through = any(part.is_alpha for part in frame.format.components)
    hd = frame.height > HD_HEIGHT or frame.width >= HD_WIDTH
    array: Any = frame.reformat(
        width=width,
        height=height,
        format="rgba" if see_through else "rgb24",
        src_colorspace=("ITU709" if hd else "ITU601") if frame.colorspace == UNKNOWN else None,
        dst_color_range=ColorRange.JPEG,
        interpolation=method if fast else method | EXACT,
        threads=1,
    ).to_ndarray()
    picture: Picture = _on_white(array) if see_through else array
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))


def _size(frame: av.VideoFrame, pixel: Fraction | None) -> tuple[int, int]:
    """Height and width with square pixels: the longer side of a pixel decides, so that no detail is lost."""
    if not pixel or pixel == 1 or not 1 / STRANGE_PIXELS <= pixel <= STRANGE_PIXELS:
        return frame.height, frame.width
    if pixel > 1:
        return frame.height, round(frame.width * pixel)
    return round(frame.height / pixel), frame.width


def _on_white(picture: Picture) -> Picture:
    import numpy as np
    from PIL import Image

    transparent = Image.fromarray(picture)
    white = Image.new("RGBA", transparent.size, "white")
    return np.asarray(Image.alpha_composite(white, transparent).convert("RGB"))
