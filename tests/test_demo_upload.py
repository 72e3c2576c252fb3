"""What the page lets in: pictures within its limits, under names and with settings that it knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.demo_client import photo
from tests.hostile_pictures import HOSTILE
from toonforge.errors import RunError
from toonforge.use.demo import upload
from toonforge.use.demo.settings import as_domain, as_look
from toonforge.use.demo.upload import plain_name, read_upload
from toonforge.use.demo.work import download_name
from toonforge.use.look import Look


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason_and_little_memory(kind: str, tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "upload.png"
    path.write_bytes(HOSTILE[kind])
    tracemalloc.start()
    try:
        with pytest.raises(RunError) as caught:
            read_upload(path, "holiday.png")
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()
    (problem,) = caught.value.problems
    assert problem.message.startswith("holiday.png ") and problem.found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        photo((400, 300))[:2000],
    ],
    ids=["empty", "text", "script", "cut short"],
)
def test_what_is_no_whole_picture_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "upload.jpg"
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"beach\.jpg cannot be read as a picture"):
        read_upload(path, "beach.jpg")


def test_pixels_and_bytes_above_the_limits_are_told_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "upload.png"
    path.write_bytes(photo((40, 25), "PNG"))
    monkeypatch.setattr(upload, "MAX_PIXELS", 1000)
    assert read_upload(path, "a.png").pixels.shape == (25, 40, 3)
    monkeypatch.setattr(upload, "MAX_PIXELS", 999)
    with pytest.raises(RunError, match=r"too many pixels(.|\n)*40 x 25"):
        read_upload(path, "a.png")
    monkeypatch.setattr(upload, "MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(RunError, match=r"a\.png is too large"):
        read_upload(path, "a.png")


def test_a_picture_that_was_deleted_is_asked_for_again(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="upload it once more"):
        read_upload(tmp_path / "gone.png", "gone.png")


@given(st.text(max_size=300))
def test_any_name_becomes_one_that_neither_disk_page_nor_terminal_obeys(name: str) -> None:
    plain = plain_name(name)
    assert plain and not set(plain) & set('/\\<>"|:*?%#\x00\n\r\x1b\u202e;$`') and plain not in (".", "..")
    assert len(os.fsencode(plain)) < 500 and plain_name(plain) == plain
    target = Path("/room") / download_name(name, "anime", "a model")
    assert target.parent == Path("/room") and "-anime-a_model." in target.name


def test_a_download_keeps_the_name_and_the_ending() -> None:
    assert download_name("Beach day.JPG", "anime") == "Beach_day-anime.JPG"
    assert download_name("a.webp", "anime", "try 2") == "a-anime-try_2.webp"
    assert download_name("film.gif", "anime") == "film-anime.png"
    assert download_name("../../etc/passwd", "anime") == "passwd-anime.png"


@pytest.mark.parametrize("value", [None, "1", -0.1, 1.1, float("nan"), float("inf"), True, [1], {"a": 1}])
def test_a_setting_that_the_controls_do_not_have_is_refused(value: object) -> None:
    with pytest.raises(RunError, match="strength cannot be that"):
        as_look(value, False, 0)
    with pytest.raises(RunError, match="smooth cannot be that"):
        as_look(1, False, value)


def test_settings_are_the_look_that_they_say() -> None:
    assert as_look(0.5, True, 0.25) == Look(strength=0.5, keep_color=True, smooth=0.25)
    with pytest.raises(RunError, match="keep color"):
        as_look(1, "yes", 0)
    assert (
        as_domain(None, {"anime": 0, "photo": 1}) == "anime" and as_domain("photo", {"anime": 0, "photo": 1}) == "photo"
    )
    for wrong in ("comic", 3, ["anime"]):
        with pytest.raises(RunError, match="anime or photo"):
            as_domain(wrong, {"anime": 0, "photo": 1})
