"""Lines of text in pictures: every name can be told from every other, and none is longer than its room."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from toonforge.data import fonts
from toonforge.data.fonts import OWN, load
from toonforge.data.lettering import can_draw, cut, lettered, shorten, write
from toonforge.prepare.duplicates.caption import caption

JAPANESE = "風景.jpg"


def text(letters: list[tuple[str, fonts.Face]]) -> str:
    return "".join(char for char, _ in letters)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without fonts."""
    fonts.face_for.cache_clear()
    monkeypatch.setattr(fonts, "_installed", lambda: ())
    monkeypatch.setattr(fonts, "_of_fontconfig", lambda code: None)
    yield  # type: ignore[misc]
    fonts.face_for.cache_clear()


@settings(max_examples=30)
@given(st.text(max_size=60), st.integers(20, 300), st.booleans())
def test_no_line_is_wider_than_its_room(words: str, room: int, middle: bool) -> None:
    draw = ImageDraw.Draw(Image.new("RGB", (400, 40)))
    assert write(draw, (5, 5), words, 13, (0, 0, 0), room, middle) <= 5 + room + 1


@given(st.text(alphabet=st.characters(max_codepoint=126), max_size=40))
def test_what_is_drawn_is_the_text_with_control_characters_as_escapes(words: str) -> None:
    drawn = text(lettered(words))
    assert drawn.isprintable() and (drawn == words if words.isprintable() else len(drawn) > len(words))


def test_control_characters_stay_on_the_line() -> None:
    assert text(lettered("two\nlines\x1b[31m\t.jpg")) == "two\\nlines\\x1b[31m\\t.jpg"
    assert text(lettered("bad \udcff.jpg")) == "bad \\udcff.jpg"


def test_ascii_looks_the_same_on_every_machine() -> None:
    assert {face for _, face in lettered("IMG_0001 (copy).jpg, 300 × 200")} == {OWN}


@pytest.mark.usefixtures("bare")
def test_without_fonts_letters_are_escapes_and_files_are_named_by_their_row() -> None:
    assert text(lettered("été.jpg")) == "\\xe9t\\xe9.jpg"
    assert not can_draw(JAPANESE) and can_draw("two\nlines.jpg")
    assert caption(JAPANESE, 17) == "row 17 of manifest.csv"
    assert caption("plain.jpg", 17) == "plain.jpg"


@pytest.mark.usefixtures("bare")
def test_a_font_of_the_machine_is_used_for_what_the_own_one_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    other = ("other.ttf", 0)

    def answer(code: int) -> fonts.Face:
        asked.append(code)
        return other

    monkeypatch.setattr(fonts, "_of_fontconfig", answer)
    monkeypatch.setattr(fonts, "has", lambda face, char: char.isascii() if face == OWN else not char.isascii())
    assert fonts.face_for("a") == OWN and fonts.face_for("風") == other
    assert asked == [0x9880]


def test_fonts_that_are_not_there_or_broken_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert not fonts._loads((str(tmp_path / "broken.ttf"), 0)) and not fonts._loads((str(tmp_path / "none.ttf"), 0))
    monkeypatch.setattr(fonts.shutil, "which", lambda name: None)
    assert fonts._of_fontconfig.__wrapped__(0x3042) is None
    failing = tmp_path / "fc-match"
    failing.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    failing.chmod(0o755)
    monkeypatch.setattr(fonts.shutil, "which", lambda name: str(failing))
    assert fonts._of_fontconfig.__wrapped__(0x3042) is None


def test_a_path_is_cut_in_its_middle() -> None:
    long = "kept/summer/in/the/north/IMG_20240213_0001.jpg"
    short = text(cut(lettered(long), 13, 170, middle=True))
    head, _, tail = short.partition("…")
    assert head == "kept/" and long.endswith(tail) and tail.endswith("20240213_0001.jpg")
    assert text(cut(lettered("jp/" + long[5:]), 13, 170, middle=True)).startswith("jp/…")
    plain = text(cut(lettered("a" * 30 + "b" * 30), 13, 170, middle=True))
    assert plain.startswith("aaa") and plain.endswith("bbb")
    assert text(cut(lettered(long), 13, 170)).endswith("…")


def test_a_label_is_cut_at_its_end() -> None:
    font = load(OWN, 13)
    assert shorten("short", font, 100) == "short"
    assert shorten("long" * 20, font, 100).endswith("…") and font.getlength(shorten("long" * 20, font, 100)) <= 100
