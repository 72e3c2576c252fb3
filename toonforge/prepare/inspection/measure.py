"""What is measured in one file, in a process of its own: the rows of an inspection's manifest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from toonforge.data.reading.picture import read_picture
from toonforge.data.reading.pillow import opened
from toonforge.data.reading.upright import orientation_of
from toonforge.prepare.engine.copying import unreadable
from toonforge.prepare.engine.task import Outcome, Source
from toonforge.prepare.inspection.figures import MEASURED, NUMBERS, PRINTS, WORDS

if TYPE_CHECKING:
    from PIL import Image

ROTATION, TRANSPARENCY, CMYK, DEEP, PALETTE, FRAMES = (
    "rotation",
    "transparency",
    "cmyk",
    "16-bit",
    "palette",
    "animation",
)

CONVERSIONS = {
    ROTATION: ("turned by their EXIF orientation", "They are turned upright in reading."),
    TRANSPARENCY: ("with transparency", "What is transparent becomes white: many such teach white backgrounds."),
    CMYK: (
        "in CMYK",
        "They become RGB without a colour profile, so their colours may be off.",
    ),
    DEEP: ("of 16 bits", "Their 8 high bits are read."),
    PALETTE: ("with a palette", "They become RGB, unchanged in their colours."),
    FRAMES: ("of several frames", "The first frame is read; the others are left out."),
}
"""What reading makes of pictures that are not plain: which these are, and what becomes of them."""

_CHUNK = 1 << 20


@attrs.frozen
class Measure:
    """A task of the engine: reads a picture once, whole, and measures it."""

    columns: ClassVar[tuple[str, ...]] = (*WORDS, *NUMBERS, *PRINTS)

    def __call__(self, source: Source, out: Path) -> Outcome:
        """The figures of a file; writes nothing. Raises `UnreadableImage`."""
        from toonforge.prepare.duplicates.hashes import hashed
        from toonforge.prepare.quality.bars import letterbox
        from toonforge.prepare.quality.measures import measured, standard

        whole = read_picture(source.path)
        height, width = whole.shape[:2]
        bars = letterbox(whole)
        small = standard(whole)
        inner = bars.cut(whole) if bars else small  # black bars would make it dark
        try:
            header, digest = _header(source.path), _digest(source.path)
        except OSError as error:  # it has gone meanwhile
            raise unreadable(source.path, error) from error
        return Outcome(
            action=MEASURED,
            figures={
                **header,
                "width": width,
                "height": height,
                **measured(inner),
                "bars": round(bars.share(whole), 4),
                "digest": digest,
                "hash": hashed(small),
            },
        )


def _header(path: Path) -> dict[str, str]:
    """What the file says of itself."""
    with path.open("rb") as file, opened(file) as image:
        return {
            "format": image.format or "",
            "mode": image.mode,
            "converted": ";".join(kind for kind, is_so in _conversions(image).items() if is_so),
        }


def _conversions(image: Image.Image) -> dict[str, bool]:
    # Pillow calls 16-bit RGB plain RGB: only the tile that it is about to decode tells. (BGR;16 is 16 bits in all.)
    raw = " ".join(str(tile[3]) for tile in getattr(image, "tile", ()))
    return {
        ROTATION: orientation_of(image) > 1,
        TRANSPARENCY: "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"),
        CMYK: image.mode == "CMYK",
        DEEP: image.mode.startswith("I") or re.search(r"\b(L|LA|RGB|RGBA|RGBX|CMYK);16", raw) is not None,
        PALETTE: image.mode in ("P", "PA"),
        FRAMES: _animated(image),
    }


def _animated(image: Image.Image) -> bool:
    try:
        # Telephones keep a second, small copy in the same JPEG file: that is no animation.
        return bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    except Exception:  # Pillow looks for the second frame; where that is damaged, there is none to leave out
        return False


def _digest(path: Path) -> str:
    digest: Any = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    text: str = digest.hexdigest()
    return text
