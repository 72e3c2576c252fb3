"""Pictures: whatever a file holds it is a picture or unreadable with a reason, within the memory that pixels need."""

from __future__ import annotations

import io
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests import tiny
from tests.fuzz.fuzzed import REFUSED, VALID, fuzzed
from tests.fuzz.mutations import binaries
from tests.fuzz.test_weights_files import G
from tests.hostile_pictures import HOSTILE, bmp, chunk, gif, png, tiff, webp
from toonforge.data.reading.header import picture_size
from toonforge.data.reading.picture import read_picture
from toonforge.errors import UnreadableImage

MEGABYTES = 1600
"""A picture of 13,000x13,000 pixels is 507 MB as RGB, and is held twice while it is turned or put on white."""
SIDE = 24


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """A small picture of noise in a file of this kind."""
    noise = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 4), np.uint8)
    image = Image.fromarray(noise, "RGBA").convert("RGB").convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x9286] = 6, b"comment"
    return encoded("JPEG", exif=exif)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    FILES = [
        encoded("JPEG"), encoded("JPEG", "L"), encoded("JPEG", "CMYK"), encoded("JPEG", progressive=True, optimize=True), encoded("JPEG", subsampling=0, icc_profile=b"\0" * 200),
        turned(), encoded("PNG"), encoded("PNG", "P"), encoded("PNG", "LA"), encoded("PNG", "RGBA"), encoded("PNG", "1"), encoded("PNG", "I;16"), encoded("WEBP"), encoded("WEBP", "RGBA", lossless=True),
        encoded("GIF", "P"), encoded("GIF", "P", transparency=3), encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (SIDE, SIDE))]), encoded("BMP"), encoded("BMP", "P"), encoded("BMP", "1"),
        *(encoded("TIFF", compression=name) for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")), encoded("TIFF", "CMYK"), encoded("TIFF", "1", compression="group4"), encoded("PPM"),
        encoded("AVIF"), encoded("ICO"), encoded("TGA"), png(SIDE, SIDE, chunk(b"tEXt", b"k\0v"), chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0")),
    ]  # fmt: skip
SIDES = st.sampled_from([0, 1, 2, 255, 256, 8192, 13_000, 16_383, 30_000, 65_535]) | st.integers(0, 300)
WIDE = SIDES | st.sampled_from([2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1])
HEADERS = st.one_of(
    st.builds(lambda w, h, d, c: png(w, h, depth=d, colours=c, rows=bytes(1000)), WIDE, WIDE, st.sampled_from([1, 2, 4, 8, 16, 3, 0]), st.integers(0, 7)),
    st.builds(bmp, SIDES, SIDES | st.integers(-9, 9)), st.builds(gif, SIDES, SIDES, SIDES, SIDES), st.builds(webp, st.integers(1, 2**24), st.integers(1, 2**24)),
    st.builds(
        lambda w, h, tags: tiff(w, h, **{f"t{tag}": value for tag, value in tags.items()}), WIDE, WIDE,
        st.dictionaries(st.sampled_from([258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347, 530, 34675, 700, 34665]), st.integers(-9, 2**32 - 1) | st.integers(0, 64), max_size=4),
    ),
)  # fmt: skip


def framed(raw: bytes, sides: tuple[int, int]) -> bytes:
    """A JPEG whose frame says other sides."""
    at = max(raw.find(b"\xff\xc0"), raw.find(b"\xff\xc2"))
    return raw[: at + 5] + (sides[1] % 2**16).to_bytes(2, "big") + (sides[0] % 2**16).to_bytes(2, "big") + raw[at + 9 :]


def repaired(raw: bytes) -> bytes:
    """A PNG whose checksums are right again, so that what is behind them is looked at."""
    out, at = raw[:8], 8
    while raw.startswith(b"\x89PNG") and at + 12 <= len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        body = raw[at + 4 : at + 8 + size]
        out += raw[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + size
    return out + raw[at:]


PICTURES = st.one_of(
    binaries(FILES, head=80),
    binaries(FILES, head=80).map(repaired),
    HEADERS,
    st.builds(framed, st.sampled_from(FILES[:6]), st.tuples(SIDES, SIDES)),
)


def read(raw: bytes) -> str:
    """A picture of bytes and of a file is the same, or unreadable both times."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = read_picture(raw)
        except UnreadableImage as error:
            refusal = error
        else:
            assert picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
            height, width = read_picture(raw, short=8).shape[:2]
            assert min(height, width) >= min(8, *picture.shape[:2])
            return VALID
        assert refusal.reason.strip() and len(refusal.reason) < 1000 and refusal.path == "a picture"
        return REFUSED


@fuzzed(PICTURES, short=250, corpus=[*FILES, *HOSTILE.values()], megabytes=MEGABYTES)
def test_any_file_is_a_picture_or_unreadable(raw: bytes) -> str:
    return read(raw)


@fuzzed(PICTURES, short=100, corpus=[*FILES, *HOSTILE.values()], megabytes=300)
def test_the_size_of_any_file_is_told_without_decoding_it(raw: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(raw)
        file.flush()
        size = picture_size(file.name)
    assert size is None or (len(size) == 2 and min(size) >= 0)
    return REFUSED if size is None else VALID


@fuzzed(
    st.one_of(binaries(FILES, head=80), binaries(FILES, head=80).map(repaired)),
    short=60,
    share=0.5,
    corpus=FILES,
    megabytes=MEGABYTES,
)
def test_any_small_file_is_translated_or_named_as_unreadable(raw: bytes) -> str:
    import toonforge
    from toonforge.use.translate import plan, translate

    tiny.register()
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(place)
        (folder / "G.safetensors").write_bytes(G)
        (folder / "a.png").write_bytes(raw)
        if (picture_size(folder / "a.png") or (1, 1))[0] * (picture_size(folder / "a.png") or (1, 1))[1] > 10**5:
            return REFUSED  # a network of three channels would be given gigabytes: see the tests of memory
        model = toonforge.load(folder / "G.safetensors", cpu=True)
        (outcome,) = translate(model, plan([folder / "a.png"], folder / "out").jobs)
        assert (outcome.problem is None) == (folder / "out/a.png").is_file()
        assert outcome.problem is None or (outcome.problem.strip() and len(outcome.problem) < 1000)
        return REFUSED if outcome.problem else VALID
