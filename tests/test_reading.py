"""Reading pictures: whatever a file holds becomes upright RGB on white, or an error with its path and a reason."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.hostile_pictures import HOSTILE, bmp, chunk, gif, png
from tests.pictures import gradient, save
from toonforge.data import SUFFIXES, list_pictures, read_picture
from toonforge.data.reading import jpeg
from toonforge.data.reading import picture as reading
from toonforge.data.reading.header import picture_size
from toonforge.data.reading.pillow import kinds
from toonforge.errors import DataError, UnreadableImage

PICTURE = gradient()
KINDS = [*kinds()]
ENDINGS = [ending for ending in SUFFIXES if ending != ".avif" or "AVIF" in KINDS]  # before Pillow 11.3


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


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_is_read_in_upper_case_too_and_from_bytes(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a{ending.upper()}")
    assert list_pictures(tmp_path) == [path]
    picture = read_picture(path)
    assert picture.shape == PICTURE.shape
    np.testing.assert_array_equal(read_picture(path.read_bytes()), picture)


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    os.rename(save(tmp_path / "a.png"), tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jpg"), PICTURE)


def test_links_are_read(tmp_path: Path) -> None:
    save(tmp_path / "there/mit Leerzeichen 😺.png")
    (tmp_path / "here.png").symlink_to("there/mit Leerzeichen 😺.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "here.png"), PICTURE)


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


@pytest.mark.parametrize("ending", sorted({".gif", ".png", ".webp", ".tif", ".avif"} & {*ENDINGS}))
def test_of_several_frames_or_pages_the_first_is_read(tmp_path: Path, ending: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / f"a{ending}", save_all=True, append_images=frames[1:])
    red, *others = read_picture(tmp_path / f"a{ending}")[0, 0]
    assert red > 250 and max(others) < 6


def test_cmyk_of_tiff_and_of_adobe_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif")[0, 0].tolist() == [255, 0, 0]
    file = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(file, "JPEG", quality=95)
    ycck = file.getvalue().replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\x02")
    assert ycck != file.getvalue()
    assert read_picture(ycck).shape == (8, 8, 3)


@pytest.mark.parametrize(("colours", "depth"), [(2, 16), (6, 16), (0, 16), (4, 16), (0, 1), (0, 2), (3, 4)])
def test_png_of_every_depth_keeps_its_high_bits(colours: int, depth: int) -> None:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    pixel = b"".join(value.to_bytes(2, "big") for value in (0x80FF, 0x40FF, 0xC0FF, 0xFFFF)[4 - channels :])
    row = b"\0" + (pixel * 8 if depth == 16 else b"\xff" * depth)
    palette = [chunk(b"PLTE", bytes(range(48)))] if colours == 3 else []
    picture = read_picture(png(8, 4, *palette, depth=depth, colours=colours, rows=row * 4))
    expected = {(2, 16): [0x40, 0xC0, 0xFF], (6, 16): [0x80, 0x40, 0xC0], (4, 16): [0xC0] * 3}
    assert picture.shape == (4, 8, 3)
    assert picture[2, 3].tolist() == expected.get((colours, depth), [45, 46, 47] if colours == 3 else [0xFF] * 3)


def test_lab_becomes_rgb(tmp_path: Path) -> None:
    Image.new("LAB", (8, 8), (255, 128, 128)).save(tmp_path / "white.tif")
    Image.new("LAB", (8, 8), (138, 208, 195)).save(tmp_path / "red.tif")
    assert read_picture(tmp_path / "white.tif").min() > 250
    red, green, blue = read_picture(tmp_path / "red.tif")[0, 0].tolist()
    assert red > 240 and max(green, blue) < 40


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just a text", "no picture of a known kind"),
        (b"<html>404</html>", "no picture of a known kind"),
        (png(100_000, 100_000), "pixels"),
        (png(15_000, 15_000), "pixels"),
        (png(4000, 4), "narrower than 1:32"),
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


def limited(code: str, *arguments: str, memory: int = 3 * 2**30) -> subprocess.CompletedProcess[str]:
    """Run a program that may take so many bytes, and 60 seconds."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))\n"
    command = [sys.executable, "-c", limit + code, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_no_hostile_file_takes_much_memory_or_is_read(tmp_path: Path) -> None:
    for number, content in enumerate(HOSTILE.values()):
        (tmp_path / f"{number:02d}.png").write_bytes(content)
    code = """
import sys
from toonforge.data import list_pictures, read_picture
from toonforge.errors import UnreadableImage
for path in list_pictures(sys.argv[1]):
    for source in (path, path.read_bytes()):
        try:
            print(read_picture(source).shape)
        except UnreadableImage as error:
            print("refused:", error.reason)
"""
    done = limited(code, str(tmp_path), memory=2**30)
    assert done.returncode == 0, done.stderr
    refusals = done.stdout.splitlines()
    assert len(refusals) == 2 * len(HOSTILE)
    assert all(line.startswith("refused: ") and len(line) > 12 for line in refusals), refusals


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_for_its_size_is_refused_before_it_is_decoded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = noise(kind)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    monkeypatch.setattr(jpeg, "_library", lambda: SimpleNamespace(decode_jpeg=None))
    monkeypatch.setattr(reading, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(UnreadableImage, match="64x64 is more than 4,095 pixels"):
        read_picture(content)


def test_tiles_larger_than_any_picture_are_refused_before_memory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", None)
    with pytest.raises(UnreadableImage, match="tiles of 32768x32768 are more than 67,108,864 pixels"):
        read_picture(HOSTILE["TIFF, tiles of 1 GB"])


@pytest.mark.parametrize("content", [png(30_000, 30_000), gif(30_000, 30_000, 9, 9), bmp(30_000, 30_000)])
def test_what_pillow_refuses_for_its_size_is_refused_in_the_same_words(content: bytes) -> None:
    with pytest.raises(UnreadableImage, match=r"30000x30000 is more than 178,956,970 pixels$"):
        read_picture(content)


def test_a_frame_larger_than_its_picture_is_refused_in_plain_words() -> None:
    with pytest.raises(UnreadableImage, match=r"it holds more than 178,956,970 pixels$"):
        read_picture(gif(1, 1, 65_535, 65_535))


def test_one_byte_is_one_byte() -> None:
    for content, size in ((b"x", "1 byte"), (b"xy", "2 bytes")):
        with pytest.raises(UnreadableImage, match=rf"\({size}\)"):
            read_picture(content)


def test_what_the_system_says_comes_without_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x.png"))

    save(tmp_path / "x.png")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UnreadableImage, match=r"x.png: Permission denied$"):
        read_picture(tmp_path / "x.png")


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_tells_the_size_of_the_upright_picture(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
    for how in ({}, options):
        Image.fromarray(gradient(20, 30)).save(tmp_path / "x", kind, **how)
        height, width = read_picture(tmp_path / "x").shape[:2]
        assert picture_size(tmp_path / "x") == (width, height)


def test_what_has_no_header_has_no_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "text.png").write_text("no picture")
    assert [picture_size(tmp_path / name) for name in ("pipe.png", "text.png", "absent.png")] == [None] * 3


def noise(ending: str, **options: Any) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(values).save(file, ending, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files_are_unreadable(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.jpg"
    content = noise(kind)
    for length in (len(content) // 2, len(content) - 100, 20):
        path.write_bytes(content[:length])
        for source in (path, path.read_bytes()):
            with pytest.raises(UnreadableImage):
                read_picture(source)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*KINDS, "MPO"]), st.data())
def test_a_damaged_file_is_a_picture_or_unreadable_no_crash(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    file = io.BytesIO()
    Image.fromarray(gradient(8, 8)).save(file, kind)
    content = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.integers(0, 255))
        else:
            content[at] ^= 1 << data.draw(st.integers(0, 7))
    if data.draw(st.integers(0, 3)) == 0:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    (tmp_path / "a").write_bytes(content)
    for source in (tmp_path / "a", bytes(content)):
        try:
            picture = read_picture(source, short=data.draw(st.sampled_from([None, 4])))
        except UnreadableImage:
            continue
        assert picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", "/dev/zero"):
        with pytest.raises(UnreadableImage, match="no file"):
            read_picture(path)


def test_bytes_are_called_what_one_likes() -> None:
    with pytest.raises(UnreadableImage) as caught:
        read_picture(b"", name="shard-3.tar: cat.jpg")
    assert (caught.value.path, caught.value.reason) == ("shard-3.tar: cat.jpg", "the file is empty")


def test_kinds_that_pillow_does_not_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "kinds", lambda: ("JPEG", "PNG"))
    for brand, kind in ((b"avif", "AVIF"), (b"heic", "HEIC")):
        with pytest.raises(UnreadableImage, match=f"a picture of the kind {kind}, which this version of Pillow"):
            read_picture(b"\0\0\0\x1cftyp" + brand + bytes(20))


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
    for name, reason in (("dangling.png", "a link that leads nowhere"), ("self.png", "a link that leads in a circle")):
        with pytest.raises(UnreadableImage, match=f"{reason}$"):
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
