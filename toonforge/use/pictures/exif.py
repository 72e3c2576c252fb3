"""What a camera, or whoever worked on a picture, wrote into its EXIF block, as far as it is true of the translation.

Kept: who, when, where (GPS), with what and how it was taken, and texts. The orientation becomes 1, since the picture is
upright now; width and height are the upright ones. Left out: the thumbnail, which shows the untranslated picture, and
what describes how the pixels of the old file are laid out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION, _EXIF = 0x0112, 0x8769
_WIDTH, _HEIGHT, _COLOUR_SPACE = 0xA002, 0xA003, 0xA001
_LAYOUT = frozenset(
    (
        *range(0x00FE, 0x0108),  # sizes, bits, compression
        *(0x010A, 0x0111, 0x0115, 0x0116, 0x0117, 0x0118, 0x0119, 0x011C, 0x011D, 0x0120, 0x0121, 0x0122, 0x0123),
        *(0x0124, 0x0125, 0x012D, 0x013D, 0x013E, 0x013F, 0x0140, 0x0141, 0x0142, 0x0143, 0x0144, 0x0145, 0x014A),
        *range(0x014C, 0x015C),  # inks, extra samples, sample formats, JPEG tables
        *range(0x0200, 0x020A),  # the thumbnail, JPEG's tables
        *(0x0211, 0x0212, 0x0213, 0x0214),  # of YCbCr
        *(0x02BC, 0x83BB, 0x8649, 0x8773, 0x935C),  # XMP, IPTC, Photoshop's, the colour profile, layers
    )
)
"""Tags of TIFF that say how pixels are stored, and blocks that are none of EXIF's."""


def kept_exif(image: Image.Image, size: tuple[int, int], srgb: bool = False) -> bytes | None:
    """The block for the translation; None where there is none, or a damaged one.

    Args:
        image: the opened file.
        size: width and height of the upright picture.
        srgb: whether its colours were converted to sRGB.
    """
    from PIL import Image

    try:
        found = image.getexif()
        if not found:
            return None
        made = Image.Exif()
        for tag, value in found.items():
            if tag not in _LAYOUT:
                made[tag] = value
        for pointer in (_EXIF, 0x8825):  # the camera's settings, GPS: read here, since they lie in the old block
            if lying := found.get_ifd(pointer):
                made[pointer] = dict(lying)
        if _ORIENTATION in made:
            made[_ORIENTATION] = 1
        settings = made.get(_EXIF)
        if isinstance(settings, dict):
            settings |= {tag: side for tag, side in zip((_WIDTH, _HEIGHT), size) if tag in settings}
            if srgb and _COLOUR_SPACE in settings:
                settings[_COLOUR_SPACE] = 1
        return made.tobytes() if len(made) else None
    except Exception:  # damaged tags make Pillow raise nearly anything; the picture is whole all the same
        return None
