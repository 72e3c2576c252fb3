"""JPEG: with simplejpeg and without it, the same files are read, into the same pixels, and the same are refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toonforge.data import read_picture
from toonforge.data.reading import jpeg
from toonforge.errors import UnreadableImage

ORIENTATION = 0x0112
SIZES = [(40, 56), (33, 17), (64, 64), (1, 9), (16, 130)]


def noisy(height: int, width: int) -> np.ndarray:
    """A gradient with noise: every kind of coefficient occurs."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 / width, y * 255 / height, (3 * x + 7 * y) % 256], axis=-1)
    return (smooth + np.random.default_rng(height).integers(-20, 20, smooth.shape)).clip(0, 255).astype(np.uint8)


def encoded(mode: str = "RGB", size: tuple[int, int] = (40, 56), kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noisy(*size)).convert(mode).save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    tags[0x010F] = "camera"
    return tags


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def after_start(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


PLAIN = encoded()
CUT = PLAIN[:-200]
CODINGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:1:1": {"subsampling": "4:1:1"},
    "coarse": {"quality": 5},
    "fine": {"quality": 100, "optimize": True},
    "restart markers": {"restart_marker_rows": 1},
    "progressive with restart markers": {"restart_marker_blocks": 2, "progressive": True},
    "no JFIF, RGB": {"keep_rgb": True},
}
FILES = {
    f"{mode} {coding} {size[0]}x{size[1]}": encoded(mode, size, **options)
    for mode in ("RGB", "L", "CMYK")
    for coding, options in CODINGS.items()
    for size in SIZES
    if mode == "RGB" or "keep_rgb" not in options
}
FILES |= {f"EXIF orientation {number}": encoded(exif=exif(number)) for number in range(10)}
FILES |= {
    "two EXIF segments": after_start(encoded(exif=exif(6)), segment(0xE1, b"Exif\0\0" + exif(3).tobytes()[6:])),
    "damaged EXIF": after_start(PLAIN, segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(9))),
    "XMP orientation": encoded(xmp=b'<x tiff:Orientation="6"/>'),
    "profile": encoded(icc_profile=bytes(range(256)) * 300),
    "broken profile": after_start(PLAIN, segment(0xE2, b"ICC_PROFILE\0")),
    "comment": encoded(comment=b"by hand"),
    "photoshop": after_start(PLAIN, segment(0xED, b"Photoshop 3.0\0" + bytes(20))),
    "short JFIF": after_start(PLAIN, segment(0xE0, b"JFIF\0")),
    "short Adobe": after_start(PLAIN, segment(0xEE, b"Adobe\0")),
    "several pictures": encoded(kind="MPO", save_all=True, append_images=[Image.fromarray(noisy(40, 56)[::-1])]),
    "trailing garbage": PLAIN + b"\xff\xd8\xff garbage" * 9,
    "twice": PLAIN + PLAIN,
    "truncated": CUT,
    "no end": PLAIN[:-2],
    "an end too soon": CUT + b"\xff\xd9",
    "only a header": PLAIN[: PLAIN.index(b"\xff\xda")],
    "junk before a marker": PLAIN[:2] + b"\0\0\0" + PLAIN[2:],
    "padding before a marker": PLAIN[:2] + b"\xff\xff" + PLAIN[2:],
    "unknown marker": after_start(PLAIN, segment(0x02, b"?")),
    "two frames": after_start(PLAIN, PLAIN[PLAIN.index(b"\xff\xc0") :][:19]),
    "12 bits": PLAIN.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "lossless": PLAIN.replace(b"\xff\xc0", b"\xff\xc3"),
    "arithmetic": PLAIN.replace(b"\xff\xc0", b"\xff\xc9"),
    "no height": PLAIN.replace(b"\xff\xc0\x00\x11\x08\x00\x28", b"\xff\xc0\x00\x11\x08\x00\x00"),
    "damaged scan": PLAIN[:-90] + bytes(40) + PLAIN[-50:],
}


def outcome(data: bytes, short: int | None) -> np.ndarray | None:
    try:
        return read_picture(data, short=short)
    except UnreadableImage:
        return None


def check_same(data: bytes, short: int | None, monkeypatch: pytest.MonkeyPatch) -> np.ndarray | None:
    ours = outcome(data, short)
    with monkeypatch.context() as patched:
        patched.setattr(jpeg, "_library", lambda: None)
        pillows = outcome(data, short)
    assert (ours is None) == (pillows is None)
    if ours is not None and pillows is not None:
        np.testing.assert_array_equal(ours, pillows)
        assert ours.dtype == np.uint8 and ours.flags.c_contiguous and ours.flags.writeable
    return ours


@pytest.fixture(scope="module")
def patch() -> Any:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


@pytest.mark.parametrize("short", [None, 16, 5])
@pytest.mark.parametrize("name", FILES)
def test_the_decoder_changes_neither_pixels_nor_what_is_refused(
    name: str, short: int | None, patch: pytest.MonkeyPatch
) -> None:
    check_same(FILES[name], short, patch)


@settings(max_examples=400)
@given(st.data())
def test_nor_for_damaged_files(patch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    content = bytearray(FILES[data.draw(st.sampled_from(sorted(FILES)))])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, min(len(content) - 1, data.draw(st.sampled_from([40, 700, 10**6])))))
        change = data.draw(st.sampled_from(["byte", "bit", "cut", "insert", "marker", "truncate"]))
        if change == "byte":
            content[at] = data.draw(st.integers(0, 255))
        elif change == "bit":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "cut":
            del content[at : at + data.draw(st.integers(1, 8))]
        elif change == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        elif change == "marker":
            content[at:at] = bytes([0xFF, data.draw(st.integers(0xC0, 0xFE)), 0, data.draw(st.integers(2, 30))])
        else:
            del content[max(1, at) :]
        content = content or bytearray(1)
    check_same(bytes(content), data.draw(st.sampled_from([None, 8])), patch)


def test_ordinary_files_are_decoded_by_simplejpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    import simplejpeg

    asked: list[int] = []
    decode: Callable[..., Any] = simplejpeg.decode_jpeg
    monkeypatch.setattr(
        simplejpeg, "decode_jpeg", lambda data, *a, **k: (asked.append(len(data)), decode(data, *a, **k))[1]
    )
    for name in ("RGB baseline 40x56", "RGB progressive 33x17", "L baseline 64x64", "EXIF orientation 6", "profile"):
        asked.clear()
        read_picture(FILES[name])
        assert asked == [len(FILES[name])], name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int, patch: pytest.MonkeyPatch) -> None:
    upright = noisy(40, 56)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    for kind, options in (("JPEG", {"quality": 100, "subsampling": 0}), ("PNG", {}), ("TIFF", {})):
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(stored)).save(file, kind, exif=exif(orientation), **options)
        picture = check_same(file.getvalue(), None, patch)
        assert picture is not None and picture.shape == upright.shape
        assert np.abs(picture.astype(int) - upright).max() <= (6 if kind == "JPEG" else 0)


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 320), st.booleans())
def test_reduced_decoding_keeps_a_short_side_that_is_enough(
    patch: pytest.MonkeyPatch, height: int, width: int, short: int, turned: bool
) -> None:
    if max(height, width) > 32 * min(height, width):
        height = width
    data = encoded(size=(height, width), exif=exif(6 if turned else 1))
    picture = check_same(data, short, patch)
    assert picture is not None
    shape = picture.shape[1::-1] if turned else picture.shape[:2]
    factor = jpeg.reduction(height, width, short)
    assert shape == (-(-height // factor), -(-width // factor))
    assert min(shape) >= min(short, height, width)
    assert factor == 8 or min(height, width) // (2 * factor) < short


def test_without_being_asked_nothing_is_decoded_smaller() -> None:
    assert read_picture(encoded(size=(256, 256))).shape == (256, 256, 3)
    assert read_picture(encoded(size=(256, 256)), short=64).shape == (64, 64, 3)
    assert jpeg.reduction(5000, 4000, None) == 1


def test_endless_passes_are_refused(patch: pytest.MonkeyPatch) -> None:
    data = encoded(progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    for repeated, readable in ((20, True), (jpeg.MAX_PASSES, False)):
        picture = check_same(data[:-2] + repeated * last + b"\xff\xd9", None, patch)
        assert (picture is not None) == readable


def test_endless_passes_are_refused_before_anything_is_decoded(patch: pytest.MonkeyPatch) -> None:
    data = encoded(progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    endless = data[:-2] + jpeg.MAX_PASSES * last + b"\xff\xd9"

    def decoded(*arguments: object, **options: object) -> None:
        raise AssertionError("it is decoded")

    patch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    for library in (SimpleNamespace(decode_jpeg=decoded), None):
        patch.setattr(jpeg, "_library", lambda library=library: library)
        with pytest.raises(UnreadableImage, match="it comes in more than 200 passes"):
            read_picture(endless)
    patch.setattr(jpeg, "_library", lambda: SimpleNamespace(decode_jpeg=decoded))
    assert jpeg.read_jpeg(endless, None, lambda width, height: None) is None
