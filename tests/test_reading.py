"""Reading pictures: whatever a file holds becomes upright RGB on white, or an error with its path and a reason."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import gradient, save
from toonforge.data import list_pictures, read_picture
from toonforge.errors import DataError, UnreadableImage

PICTURE = gradient()


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"\0" * 64)
    chunks = [body, idat, b"IEND"]
    packed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "A.TIFF", "A.PNG", "mit Leerzeichen.png", "猫 😺 é.png"])
def test_lossless_files_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    picture = read_picture(save(tmp_path / name))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, PICTURE)


@pytest.mark.parametrize("name", ["a.jpg", "A.JPEG", "a.webp"])
def test_lossy_files_come_back_nearly_as_they_were(tmp_path: Path, name: str) -> None:
    smooth = np.stack([np.full((40, 60), value, np.uint8) for value in (200, 120, 40)], axis=-1)
    Image.fromarray(smooth).save(tmp_path / name, quality=95)
    assert np.abs(read_picture(tmp_path / name).astype(int) - smooth).max() <= 4


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to the right to see it upright"
    Image.fromarray(PICTURE).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), np.rot90(PICTURE, -1))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red = read_picture(tmp_path / "a.jpg").reshape(-1, 3).mean(axis=0)
    assert red[0] > 230
    assert max(red[1:]) < 40


def test_palettes_and_greys_become_rgb(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), (10, 200, 30))
    image.quantize(4).save(tmp_path / "palette.png")
    image.convert("L").save(tmp_path / "grey.png")
    image.convert("1").save(tmp_path / "bits.png")
    assert tuple(read_picture(tmp_path / "palette.png")[0, 0]) == (10, 200, 30)
    assert read_picture(tmp_path / "grey.png").shape == read_picture(tmp_path / "bits.png").shape == (8, 8, 3)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    values = np.array([[0, 0x80FF], [0x4000, 0xFFFF]], np.uint16)
    Image.fromarray(values).save(tmp_path / name)
    np.testing.assert_array_equal(read_picture(tmp_path / name)[..., 0], [[0, 0x80], [0x40, 0xFF]])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (6, 6), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 3, 6))
    image.convert(mode).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture[0, 5].tolist() == [255, 255, 255]
    assert picture[0, 0].tolist() == [0, 0, 0]


def test_a_transparent_colour_becomes_white(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    image.paste((200, 0, 0), (0, 0, 2, 4))
    image.save(tmp_path / "a.png", transparency=(10, 20, 30))
    picture = read_picture(tmp_path / "a.png")
    assert picture[0, 3].tolist() == [255, 255, 255]
    assert picture[0, 0].tolist() == [200, 0, 0]


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "a.gif")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just a text", "no picture of a known kind"),
        (b"<html>404</html>", "no picture of a known kind"),
        (png_header(100_000, 100_000), "pixels"),
        (png_header(15_000, 15_000), "pixels"),
        (png_header(4000, 4), "narrower than 1:32"),
    ],
    ids=["zero bytes", "text", "html", "bomb", "half a bomb", "narrow"],
)
def test_hostile_files_are_unreadable_with_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage) as caught:
        read_picture(path)
    assert caught.value.path == str(path)
    assert reason in caught.value.reason


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "gif", "tif"])
def test_truncated_files_are_unreadable(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    path = tmp_path / f"bad.{ending}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableImage):
        read_picture(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, of damaged TIFF tags
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["png", "jpg", "gif", "webp", "tif", "bmp"]), st.data())
def test_a_damaged_file_is_a_picture_or_unreadable_no_crash(tmp_path: Path, ending: str, data: st.DataObject) -> None:
    path = tmp_path / f"a.{ending}"
    content = bytearray(save(path, 8, 8).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        shape = read_picture(path).shape
    except UnreadableImage:
        return
    assert len(shape) == 3
    assert shape[2] == 3


def test_a_missing_file_a_folder_and_floats_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    for name in ("missing.jpg", "folder.jpg", "float.tif"):
        with pytest.raises(UnreadableImage) as caught:
            read_picture(tmp_path / name)
        assert caught.value.reason


def test_listing_is_recursive_sorted_and_only_pictures(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/z.PNG", "a/b/c.JpEg", "Z.gif", ".hidden.jpg", ".cache/x.jpg", "é 😺.webp"):
        save(tmp_path / name)
    for name in ("notes.txt", "jpg", "a/picture.jpg.part"):
        (tmp_path / name).write_text("no picture")
    os.mkfifo(tmp_path / "pipe.jpg")  # opening it would wait for ever
    found = [path.relative_to(tmp_path).as_posix() for path in list_pictures(tmp_path)]
    assert found == ["Z.gif", "a/b/c.JpEg", "a/z.PNG", "b.jpg", "é 😺.webp"]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere/x.png")
    inside = tmp_path / "inside"
    save(inside / "deep/y.png")
    (inside / "link").symlink_to(tmp_path / "elsewhere")
    (inside / "deep/up").symlink_to(inside)
    (inside / "self.png").symlink_to(inside / "self.png")
    (inside / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    found = [path.relative_to(inside).as_posix() for path in list_pictures(inside)]
    assert found == ["dangling.png", "deep/y.png", "link/x.png", "self.png"]
    for name in ("dangling.png", "self.png"):
        with pytest.raises(UnreadableImage):
            read_picture(inside / name)


def test_names_that_are_no_utf8_can_be_shown(tmp_path: Path) -> None:
    bad = os.fsencode(tmp_path) + b"/\xff.jpg"
    with open(bad, "wb") as file:
        file.write(b"text")
    (path,) = list_pictures(tmp_path)
    with pytest.raises(UnreadableImage) as caught:
        read_picture(path)
    caught.value.path.encode("utf-8")


def test_a_folder_that_cannot_be_listed_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be listed"):
        list_pictures(tmp_path / "nowhere")


def test_the_data_layer_imports_no_torch() -> None:
    code = "import toonforge.data, sys; sys.exit(any(m in sys.modules for m in ('torch', 'PIL', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
