"""What a translation keeps of its original: size, transparency, colours and their profile, EXIF data."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageOps
from safetensors.torch import save_file

import toonforge
from tests.hostile_pictures import HOSTILE, chunk
from tests.test_use_translate import about, save
from toonforge.errors import UnreadableImage
from toonforge.use.look import Look
from toonforge.use.model import Model
from toonforge.use.pictures.colours import conversion_of
from toonforge.use.pictures.computing import compute
from toonforge.use.pictures.original import read_original
from toonforge.use.pictures.written import encoded
from toonforge.use.translate import Job, translate_file

KINDS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Gives the negative of a picture."""
    folder = tmp_path_factory.mktemp("model")
    save(folder, "G", about("G", {"anime": "G(photo)"}))
    return toonforge.load(folder, cpu=True)


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Gives the picture itself."""
    folder = tmp_path_factory.mktemp("same")
    save(folder, "G", about("G", {"anime": "G(photo)"}), scale=-1)
    return toonforge.load(folder, cpu=True)


def values(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.uint8)


def profile(*primaries: tuple[float, float], gamma: float) -> bytes:
    """An RGB profile of matrix and gamma, with the white of D50, as cameras and screens have them: version 2."""

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    tags = {
        **{f"{name}XYZ".encode(): b"XYZ \0\0\0\0" + fixed(*xyz) for name, xyz in zip("rgb", primaries)},
        **{
            f"{name}TRC".encode(): b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
            for name in "rgb"
        },
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(79),
    }
    place, table, data = 132 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += struct.pack(">4sII", name, place + len(data), len(body))
        data += body
    size = place + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


# Of Display P3 and Adobe RGB (1998), adapted to D50.
P3 = profile((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841), gamma=2.2)
ADOBE = profile((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446), gamma=2.2)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def through(model: Model, data: bytes, kind: str = "PNG", **look: Any) -> Image.Image:
    """A file's bytes, translated and written."""
    original = read_original(data)
    (made,) = compute(model, [original], None, Look(**look))
    assert isinstance(made, np.ndarray)
    return Image.open(io.BytesIO(encoded(original, made, kind)))


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


# -- size -------------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(list(KINDS.values())), st.sampled_from([0, 0.4, 1]))
def test_every_size_is_kept_in_every_kind(model: Model, height: int, width: int, kind: str, strength: float) -> None:
    made = through(model, file(Image.fromarray(values(height, width))), kind, strength=strength, keep_color=True)
    assert (made.size, made.format) == ((width, height), kind)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 5000), (5000, 1), (1, 20)])
def test_slivers_are_translated_by_real_networks(tmp_path: Path, size: tuple[int, int]) -> None:
    config = toonforge.generators["cyclegan/unet"](width=2, levels=3)
    described = {**about("G", {"anime": "G(photo)"}), "component": {"type": "cyclegan/unet", "width": 2, "levels": 3}}
    save_file(config.build().state_dict(), tmp_path / "G.safetensors", {"toonforge": json.dumps(described)})
    network = toonforge.load(tmp_path / "G.safetensors", cpu=True)
    assert through(network, file(Image.new("RGB", size)), smooth=0.5).size == size


# -- strength 0 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
@pytest.mark.parametrize("icc", [None, SRGB, P3])
def test_strength_0_gives_the_pixels_of_the_input(model: Model, mode: str, icc: bytes | None) -> None:
    given_image = Image.fromarray(values(9, 11, 3 if mode == "P" else 4)).convert(mode)
    made = through(model, file(given_image, icc_profile=icc), strength=0)
    alike = "RGBA" if mode in ("RGBA", "LA") else "RGB"
    assert made.mode == alike
    assert np.array_equal(made, given_image.convert(alike))


# -- transparency -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_kept_to_the_last_bit(model: Model, kind: str) -> None:
    x = values(12, 14, 4)
    assert np.array_equal(np.asarray(through(model, file(Image.fromarray(x)), kind))[..., 3], x[..., 3])


def test_the_colours_of_a_transparent_picture_are_translated_as_if_it_were_not(model: Model) -> None:
    """No rim of white where it fades out."""
    x = values(12, 14, 4)
    x[..., 3] = np.maximum(x[..., 3], 1)
    assert np.array_equal(np.asarray(through(model, file(Image.fromarray(x))))[..., :3], 255 - x[..., :3])


def test_what_nobody_sees_stays_as_it_was_and_is_white_to_the_networks(tmp_path: Path) -> None:
    x = values(8, 8, 4)
    x[..., 3] = np.where(np.arange(8) < 4, 0, np.maximum(x[..., 3], 1))
    original = read_original(file(Image.fromarray(x)))
    assert (original.seen()[:, :4] == 255).all()
    assert np.array_equal(original.seen()[:, 4:], x[:, 4:, :3])
    assert np.array_equal(original.finished(255 - x[..., :3])[:, :4], x[:, :4, :3])


def test_kinds_without_transparency_show_it_on_white(same: Model) -> None:
    x = np.zeros((8, 8, 4), np.uint8)
    x[:4, :, 3] = 255
    made = np.asarray(through(same, file(Image.fromarray(x)), "BMP"))
    assert (made[:4] == 0).all() and (made[4:] == 255).all()


def test_one_transparent_colour_is_transparency_too(model: Model) -> None:
    palette = Image.fromarray(values(6, 6)).quantize(8)
    clear = palette.getpixel((2, 3))
    made = through(model, file(palette, transparency=clear))
    assert np.array_equal(np.asarray(made)[..., 3] == 0, np.asarray(palette) == clear)
    rows = b"".join(b"\0" + struct.pack(">4H", *(row * 1000 + column for column in range(4))) for row in range(3))
    head = struct.pack(">IIBBBBB", 4, 3, 16, 0, 0, 0, 0)
    grey16 = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tRNS", struct.pack(">H", 2001))
    grey16 += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    alpha = np.asarray(through(model, grey16))[..., 3]
    assert alpha.tolist() == [[255] * 4, [255] * 4, [255, 0, 255, 255]]


def test_transparent_pictures_of_16_bits_keep_it(model: Model) -> None:
    rows = b"".join(b"\0" + struct.pack(">8H", *(300 * n + 5000 * row for n in range(8))) for row in range(4))
    for colours, width in ((6, 2), (4, 4)):
        head = struct.pack(">IIBBBBB", width, 4, 16, colours, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        with Image.open(io.BytesIO(data)) as image:
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
        assert alpha.std() > 0
        assert np.array_equal(np.asarray(through(model, data))[..., 3], alpha)


# -- colours ----------------------------------------------------------------------------------------------------------


def test_a_profile_is_kept_byte_for_byte(model: Model) -> None:
    for icc in (SRGB, P3, ADOBE):
        for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
            assert through(model, file(Image.fromarray(values(8, 8)), icc_profile=icc), kind).info["icc_profile"] == icc


def test_numbers_of_srgb_are_translated_as_they_are(model: Model) -> None:
    x = values(16, 16)
    assert conversion_of(SRGB) is None and conversion_of(None) is None
    assert np.array_equal(through(model, file(Image.fromarray(x), icc_profile=SRGB)), 255 - x)


def muted(*size: int) -> np.ndarray:
    """Colours that every profile holds."""
    return (100 + values(*size) // 4).astype(np.uint8)


@pytest.mark.parametrize("icc", [P3, ADOBE])
def test_other_profiles_come_back_as_the_same_colours(same: Model, icc: bytes) -> None:
    """A network that changes nothing changes no colour, beyond the rounding of two conversions."""
    x = muted(16, 16)
    made = np.asarray(through(same, file(Image.fromarray(x), icc_profile=icc)))
    assert np.abs(made.astype(int) - x).max() <= 2


@pytest.mark.parametrize("icc", [P3, ADOBE])
def test_the_networks_see_the_colours_of_other_profiles_as_srgb(model: Model, icc: bytes) -> None:
    """The same colours in another profile are translated to the same colours."""
    x = muted(16, 16)
    wide = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    srgb = ImageCms.createProfile("sRGB")
    stored = ImageCms.profileToProfile(Image.fromarray(x), srgb, wide, 1)
    assert np.abs(np.asarray(stored).astype(int) - x).max() > 4  # other numbers
    made = through(model, file(stored, icc_profile=icc))
    seen = np.asarray(ImageCms.profileToProfile(made, wide, srgb, 1))
    assert np.abs(seen.astype(int) - (255 - x)).max() <= 3


def test_strength_goes_to_the_input_steadily_in_other_profiles_too(model: Model) -> None:
    data = file(Image.fromarray(values(8, 8)), icc_profile=P3)
    steps = [np.asarray(through(model, data, strength=s)).astype(int) for s in (0, 0.01, 0.5, 1)]
    assert np.abs(steps[1] - steps[0]).max() <= 3
    assert np.abs(2 * steps[2] - steps[0] - steps[3]).max() <= 3


def test_pictures_without_three_channels_become_srgb_and_lose_their_profile(same: Model) -> None:
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]  # no profile that could be used
    made = through(same, file(Image.new("L", (4, 4), 120), icc_profile=grey))
    assert "icc_profile" not in made.info and made.getpixel((0, 0)) == (120, 120, 120)
    lightness = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert "icc_profile" not in through(same, file(Image.new("L", (4, 4), 9), icc_profile=lightness)).info
    cmyk = file(Image.new("CMYK", (4, 4), (0, 200, 200, 0)), "TIFF")
    assert through(same, cmyk).getpixel((0, 0)) == (255, 55, 55)


def test_grey_is_read_by_its_profile(same: Model) -> None:
    linear = profile((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141), gamma=1)
    grey = (linear[:16] + b"GRAY" + linear[20:]).replace(b"rTRC", b"kTRC")
    plain = Image.new("L", (4, 4), 55)
    deep = Image.fromarray(np.full((4, 4), 55 * 256 + 9, np.uint16))
    seen = plain.copy()
    seen.putalpha(Image.fromarray(np.full((4, 4), 200, np.uint8)))
    for image, kind in ((plain, "PNG"), (deep, "PNG"), (seen, "PNG"), (plain, "JPEG"), (deep, "TIFF"), (seen, "TIFF")):
        made = through(same, file(image, kind, icc_profile=grey))
        expected = (128, 128, 128) + (200,) * (image is seen)  # 55/255 is linear light of sRGB's 128
        assert made.getpixel((0, 0)) == pytest.approx(expected, abs=2), (image.mode, kind)
        assert "icc_profile" not in made.info


def test_colours_with_the_profile_of_grey_are_left_as_they_are(same: Model) -> None:
    linear = profile((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141), gamma=1)
    grey = (linear[:16] + b"GRAY" + linear[20:]).replace(b"rTRC", b"kTRC")
    for channels in (3, 4):
        x = Image.fromarray(np.maximum(values(4, 4, channels), 1))
        assert np.array_equal(through(same, file(x, icc_profile=grey)), x)


@pytest.mark.parametrize("damage", [b"", b"short", SRGB[:200], P3[:16] + b"RGB " + bytes(200), b"\xff" * 5000])
def test_damaged_profiles_stop_nothing(model: Model, damage: bytes) -> None:
    x = values(4, 4)
    assert np.array_equal(through(model, file(Image.fromarray(x), icc_profile=damage)), 255 - x)


# -- EXIF -------------------------------------------------------------------------------------------------------------


def camera(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112], exif[0x0132] = "Maker", "Model 1", orientation, "2026:01:02 03:04:05"
    exif[0x8769] = {0x829A: 0.01, 0x9003: "2026:01:02 03:04:05", 0xA002: 48, 0xA003: 16, 0xA001: 65535}
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_data_stay_as_far_as_they_are_true(model: Model, kind: str) -> None:
    data = file(Image.fromarray(values(16, 48)), "JPEG", exif=camera())
    made = through(model, data, kind)
    assert made.size == (16, 48)
    exif = made.getexif()
    assert (exif[0x010F], exif[0x0110], exif[0x0132]) == ("Maker", "Model 1", "2026:01:02 03:04:05")
    assert exif.get(0x0112, 1) == 1
    settings_, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    assert settings_[0x9003] == "2026:01:02 03:04:05" and float(settings_[0x829A]) == 0.01
    assert (settings_[0xA002], settings_[0xA003]) == (16, 48)
    assert place[1] == "N" and tuple(map(float, place[2])) == (52, 30, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_orientation_is_applied_once(model: Model, orientation: int, mode: str) -> None:
    image = Image.fromarray(values(6, 9, len(mode)))
    data = file(image, exif=camera(orientation))
    with Image.open(io.BytesIO(data)) as given_image:
        upright = np.array(ImageOps.exif_transpose(given_image))
    made = through(model, data)
    assert made.getexif()[0x0112] == 1
    seen = np.asarray(ImageOps.exif_transpose(made))
    clear = upright[..., 3:] == 0 if mode == "RGBA" else False
    assert np.array_equal(seen[..., :3], np.where(clear, upright[..., :3], 255 - upright[..., :3]))
    assert np.array_equal(seen[..., 3:], upright[..., 3:])


def test_the_thumbnail_of_the_untranslated_picture_goes(model: Model) -> None:
    small = file(Image.new("RGB", (4, 4), "red"), "JPEG")
    first = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHI4s", 0x010F, 2, 4, b"Me!\0")
    at = len(first) + 4
    second = struct.pack("<H", 3) + struct.pack("<HHII", 0x0103, 3, 1, 6)
    second += struct.pack("<HHII", 0x0201, 4, 1, at + 2 + 36 + 4) + struct.pack("<HHII", 0x0202, 4, 1, len(small))
    block = b"Exif\0\0" + first + struct.pack("<I", at) + second + bytes(4) + small
    data = file(Image.fromarray(values(8, 8)), "JPEG", exif=block)
    assert data.count(small) == 1
    with Image.open(io.BytesIO(data)) as given_image:
        assert 0x0201 in given_image.getexif().get_ifd(ExifTags.IFD.IFD1)
    stream = io.BytesIO()
    made = through(model, data, "JPEG")
    made.save(stream, "JPEG", exif=made.info["exif"])
    assert (
        made.getexif()[0x010F] == "Me!"
        and small not in stream.getvalue()
        and not made.getexif().get_ifd(ExifTags.IFD.IFD1)
    )


def test_tags_of_a_tiff_file_do_not_say_how_another_is_laid_out(model: Model, tmp_path: Path) -> None:
    source = tmp_path / "in.tif"
    Image.fromarray(values(20, 30)).convert("L").save(source, compression="tiff_lzw", tiffinfo={270: "a title"})
    for ending in ("tif", "jpg", "png"):
        target = tmp_path / f"out.{ending}"
        translate_file(model, Job(source, target))
        with Image.open(target) as made:
            made.load()
            assert (made.size, made.mode) == ((30, 20), "RGB")
            assert made.getexif()[270] == "a title"
            if ending != "tif":
                assert not set(made.getexif()) & {0x0100, 0x0101, 0x0103, 0x0111, 0x0117}


@pytest.mark.parametrize(
    "block", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(60), b"x" * 900]
)
def test_damaged_exif_stops_nothing(model: Model, block: bytes) -> None:
    x = values(8, 8)
    data = file(Image.fromarray(x), "PNG", exif=block) if block else file(Image.fromarray(x))
    assert np.array_equal(through(model, data), 255 - x)


def test_exif_too_large_for_a_jpeg_is_left_out_there_alone(model: Model) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    data = file(Image.fromarray(values(8, 8)), "PNG", exif=exif)
    assert through(model, data, "PNG").getexif()[0x010E] == "x" * 70_000
    assert 0x010E not in through(model, data, "JPEG").getexif()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_words_or_read_within_bounds(name: str) -> None:
    reason = None
    try:
        original = read_original(HOSTILE[name])
    except UnreadableImage as error:
        reason = error.reason
    if reason is None:
        assert original.pixels.size <= 10**6 and len(original.exif or b"") <= 10**6
    else:
        assert reason.strip()


# -- --size -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.booleans())
def test_a_short_side_is_scaled_down_and_never_up(height: int, width: int, short: int, clear: bool) -> None:
    data = file(Image.fromarray(values(height, width, 4 if clear else 3)))
    original = read_original(data, short)
    made = original.pixels.shape[:2]
    assert min(made) == min(short, height, width)
    if min(height, width) <= short:
        assert np.array_equal(original.pixels, read_original(data).pixels)
    assert abs(made[0] * width - made[1] * height) <= max(height, width)
    assert (original.alpha is not None) == clear and (not clear or original.alpha.shape == made)


def test_a_smaller_picture_has_the_mean_colours_and_no_moire() -> None:
    fine = np.indices((200, 300)).sum(0)[..., None] % 2 * np.array([200, 100, 50])
    made = read_original(file(Image.fromarray(fine.astype(np.uint8))), 20).pixels.astype(int)
    assert made.shape == (20, 30, 3)
    assert np.abs(made - [100, 50, 25]).max() <= 2


def test_what_is_not_seen_gives_no_colour_to_what_is() -> None:
    both = np.zeros((40, 40, 4), np.uint8)
    both[:, :19] = 0, 200, 0, 255
    both[:, 19:] = 255, 0, 255, 0
    original = read_original(file(Image.fromarray(both)), 10)
    assert original.alpha is not None and len({*original.alpha.ravel().tolist()}) > 2
    assert np.abs(original.pixels[original.alpha > 60].astype(int) - [0, 200, 0]).max() <= 8


def test_a_smaller_picture_says_its_size_and_keeps_its_profile_and_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8769] = {0xA002: 60, 0xA003: 40}
    data = file(Image.fromarray(values(40, 60)), "JPEG", exif=exif.tobytes(), icc_profile=P3)
    original = read_original(data, 20)
    made = Image.open(io.BytesIO(encoded(original, original.pixels, "JPEG")))
    assert made.size == (20, 30) and made.info["icc_profile"] == P3
    about_it = made.getexif().get_ifd(0x8769)
    assert (about_it[0xA002], about_it[0xA003], made.getexif()[0x0112]) == (20, 30, 1)
