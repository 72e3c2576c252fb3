"""A picture file as it is translated: its upright pixels, and all that its translation keeps of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.reading.picture import read_picture, shown
from toonforge.data.reading.pillow import opened, to_rgb
from toonforge.data.reading.upright import orientation_of, turned
from toonforge.data.transforms import scale, scaled_size
from toonforge.errors import UnreadableImage
from toonforge.use.pictures.colours import Conversion, conversion_of, space_of, to_srgb
from toonforge.use.pictures.exif import kept_exif

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    Picture = npt.NDArray[np.uint8]


@attrs.frozen(kw_only=True, eq=False)
class Original:
    """A picture.

    Attributes:
        pixels: (height, width, 3), upright, its colours as if nothing were transparent; in numbers of `profile`.
        alpha: (height, width): 0 where nothing is to be seen, 255 where nothing shines through; None without.
        profile: the RGB colour profile that the numbers are of; None for sRGB.
        exif: what the translation keeps of the EXIF block.
        kind: Pillow's name of the file's kind.
    """

    pixels: Picture
    alpha: Picture | None = None
    profile: bytes | None = None
    exif: bytes | None = None
    kind: str | None = None

    @property
    def conversion(self) -> Conversion | None:
        """Between the numbers and sRGB's, where they are not the same."""
        return conversion_of(self.profile)

    def seen(self) -> Picture:
        """What the networks are given: sRGB, and white where nothing is to be seen."""
        pixels = self.pixels if self.conversion is None else self.conversion.to_srgb(self.pixels)
        return pixels if self.alpha is None else _put(pixels, self.alpha == 0, 255)

    def own(self, made: Picture) -> Picture:
        """What the networks made of it, of sRGB, in numbers of the profile."""
        return made if self.conversion is None else self.conversion.from_srgb(made)

    def finished(self, pixels: Picture) -> Picture:
        """The pixels of a translation, with those that nobody sees as they were."""
        return pixels if self.alpha is None else _put(pixels, self.alpha == 0, self.pixels)


def _put(pixels: Picture, where: npt.NDArray[np.bool_], other: Any) -> Picture:
    import numpy as np

    return np.where(where[..., None], other, pixels).astype(np.uint8) if where.any() else pixels


def read_original(source: Path | bytes, short: int | None = None) -> Original:
    """Read a picture file.

    Args:
        source: its path, or what it holds.
        short: the short side is scaled down to this, never up; None keeps the size.

    Raises:
        UnreadableImage: as `read_picture`.
    """
    pixels = read_picture(source, max_aspect=None)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file, opened(file) as image:
            return _with_extras(image, pixels, short)
    except Exception as error:  # damaged where `read_picture` does not look
        called = "a picture" if isinstance(source, bytes) else shown(source)
        raise UnreadableImage(called, f"damaged ({type(error).__name__}: {error})") from error


def original_of(image: Image.Image) -> Original:
    """A picture in memory. Raises `ValueError` for values of no known range (modes F, and I above 16 bits)."""
    import numpy as np

    return _with_extras(image, turned(np.array(to_rgb(image), dtype=np.uint8), orientation_of(image)))


def _with_extras(image: Image.Image, pixels: Picture, short: int | None = None) -> Original:
    height, width = pixels.shape[:2]
    if short is not None and short < min(height, width):
        height, width = scaled_size(height, width, short)
    size = (width, height)
    # Read first: some files lose these while they are decoded.
    profile, orientation, kind = image.info.get("icc_profile"), orientation_of(image), image.format
    space, alpha, converted = space_of(profile), None, None
    exif = kept_exif(image, size)
    if _has_alpha(image):
        pixels, alpha = _straight(image, pixels, orientation)
    if isinstance(profile, bytes) and space == image.mode == "CMYK":
        image.load()
        converted = _pixels(to_srgb(image, profile))
        pixels = pixels if converted is None else turned(converted, orientation)
    elif isinstance(profile, bytes) and space == "L" and _is_grey(image, pixels):
        from PIL import Image

        converted = _pixels(to_srgb(Image.fromarray(pixels[..., 0]), profile))
        pixels = pixels if converted is None else converted
    if converted is not None:
        exif = kept_exif(image, size, srgb=True)
    # Of a picture that is grey or has a palette, an RGB profile is as true as before.
    kept = profile if space == "RGB" and image.mode not in ("CMYK", "LAB") else None
    pixels, alpha = _scaled(pixels, alpha, height, width)
    return Original(pixels=pixels, alpha=alpha, profile=kept, exif=exif, kind=kind)


def _scaled(pixels: Picture, alpha: Picture | None, height: int, width: int) -> tuple[Picture, Picture | None]:
    """At another size; the colour of what shines through counts for as much as is seen of it."""
    import numpy as np
    from PIL import Image

    if alpha is None or alpha.shape == (height, width):
        return scale(pixels, height, width), alpha
    both = Image.fromarray(np.dstack([pixels, alpha])).resize((width, height), Image.Resampling.BICUBIC)
    made = np.array(both)
    return np.ascontiguousarray(made[..., :3]), made[..., 3]


def _pixels(image: Image.Image | None) -> Picture | None:
    import numpy as np

    return None if image is None else np.array(image)


def _is_grey(image: Image.Image, pixels: Picture) -> bool:
    """Whether a file holds grey; some that do, with alpha of 16 bits, are opened as RGBA."""
    grey = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
    return grey or (image.mode == "RGBA" and bool((pixels == pixels[..., :1]).all()))


def _has_alpha(image: Image.Image) -> bool:
    return "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La")


def _straight(image: Image.Image, pixels: Picture, orientation: int) -> tuple[Picture, Picture | None]:
    """The colours of a transparent picture, and its transparency, upright."""
    import numpy as np

    if image.mode.startswith("I"):  # grey of 16 bits; one value of it may be transparent
        clear = image.info["transparency"]
        values = np.asarray(image)
        alpha = np.where(values == clear, 0, 255).astype(np.uint8) if isinstance(clear, int) else None
        return pixels, None if alpha is None else _turned(alpha, orientation)
    plain = image.convert("LA") if image.mode == "La" else image
    rgba = np.array(plain.convert("RGBA"))
    return turned(np.ascontiguousarray(rgba[..., :3]), orientation), _turned(rgba[..., 3], orientation)


def _turned(alpha: Picture, orientation: int) -> Picture:
    import numpy as np

    return turned(np.repeat(alpha[..., None], 3, -1), orientation)[..., 0]
