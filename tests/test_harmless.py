"""What a file is called, or says of itself, is shown on a terminal and not obeyed by it."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import save
from tests.run_fixture import write_run
from tests.test_use_translate import about
from tests.test_use_translate import save as save_weights
from toonforge.cli import main
from toonforge.cli.harmless import Harmless, harmless, obeying_nobody
from toonforge.runs.folder import RunFolder
from toonforge.train.telling import Telling, left_out

COMMANDS = {
    "names the window": "\x1b]0;owned\x07",
    "writes the clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "answers as if typed": "\x1b[6n\x1b[c\x1b]50;?\x07",
    "is a device's own": "\x1bP+q544e\x1b\\",
    "rings": "\x07",
    "takes letters back": "evil\x08\x08\x08\x08good",
    "is one byte": "\x9d0;owned\x9c",
    "moves anywhere": "\x1b[1;1H",
    "clears all": "\x1bc\x1b[3J\x1b#8",
    "clears what is seen": "\x1b[2J\x1b[H",
    "goes to another screen": "\x1b[?1049h",
    "hides the text": "\x1b[8m\x1b[0;8;1m",
    "turns the writing": "photo\u202egnp.exe",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_passes(name: str) -> None:
    shown = harmless(COMMANDS[name])
    assert not re.search(r"[\x07\x08\x9b-\x9f\u202e\x1b]", shown)
    assert "evil" not in COMMANDS[name] or "evil" in shown


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m",
        "\x1b[38;5;8mgrey\x1b[m",
        "\r\x1b[K50 %",
        "\x1b[1A\x1b[2K",
        "\x1b[?25l",
        "a\tb\n",
        "日本 é 🎨 👩‍🎨",
    ],
)
def test_colours_progress_and_words_pass(text: str) -> None:
    assert harmless(text) == text


@given(st.text())
def test_whatever_is_written_can_be_written_and_is_shown_once(text: str) -> None:
    shown = harmless(text)
    shown.encode("utf-8")
    assert harmless(shown) == shown
    assert all(char in "\t\n\r\x1b" or ord(char) >= 32 for char in shown)


@given(st.text(), st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8"]))
def test_no_letter_is_too_strange_for_a_stream(text: str, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Harmless(stream).write(text)
    stream.flush()


@pytest.mark.parametrize("odd", [*COMMANDS.values(), "\x1b[1A\x1b[2K\rnote: all is well", "\x1b[31m", "a\nerror: b"])
def test_names_in_notes_are_shown_whatever_a_terminal_would_make_of_them(
    odd: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    telling = Telling(RunFolder(tmp_path), main=False, listeners=[])
    telling.late(1, 40.0, f"{odd}.png")
    left_out("Observer", ValueError(odd))
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 2 and all(line.startswith("note: ") for line in told.splitlines())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", told)


def test_streams_are_put_back_and_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    before = sys.stdout
    with obeying_nobody():
        assert isinstance(sys.stdout, Harmless) and sys.stderr is None
        assert sys.stdout.isatty() == before.isatty()
    assert sys.stdout is before


# -- the verbs ---------------------------------------------------------------------------------------------------------

EVIL = "\x1b]0;owned\x07\x1b]52;c;eA==\x07 \u202egnp"
"""In names of files: no slash in it."""


def obeyed(text: str) -> bool:
    return any(mark in text for mark in ("\x1b]", "\x07", "\u202e", "\x1bP"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "photo" / f"{EVIL}.png", 40, 40)
    (tmp_path / "photo" / f"broken{EVIL}.png").write_bytes(b"none")
    os.link(tmp_path / "photo" / f"{EVIL}.png", os.fsencode(tmp_path / "photo") + b"/\xff\x1b]2;b\x07.png")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["translate", "model", "photo", "--cpu"],
        ["translate", f"no{EVIL}", "photo"],
        ["data", "inspect", "photo"],
        ["data", "filter", "photo"],
        ["data", "frames", f"{EVIL}.mp4"],
        ["run", f"{EVIL}.toml"],
        ["check", "evil.toml"],
        ["report", f"{EVIL}"],
        ["report", f"run{EVIL}"],
        ["compare", f"run{EVIL}", f"run2{EVIL}"],
        ["evaluate", f"run{EVIL}"],
        ["sweep", f"run{EVIL}", "--resume"],
        ["list", EVIL],
        [EVIL],
        ["run", "--set", f"a={EVIL}", "evil.toml"],
    ],
    ids=lambda words: words[0] if len(words[0]) < 20 else "evil",
)
def test_no_verb_hands_on_a_command(place: Path, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    save_weights(place / "model", "G", {**about("G", {"anime": "G(photo)"}), "recipe": EVIL})
    (place / "evil.toml").write_text('name = "a\\u001b]0;owned\\u0007"\n["b\\u001b]0;x\\u0007"]\n', "utf-8")
    if any("run" in word and EVIL in word for word in words):
        for name in (f"run{EVIL}", f"run2{EVIL}"):
            write_run(place / name, total=20, grids=[20], names=[EVIL])
    assert main(words) in (0, 2)
    told = capfd.readouterr()
    assert told.out + told.err
    assert not obeyed(told.out + told.err), (told.out + told.err).encode()[:2000]
    assert "Traceback" not in told.err


def test_a_traceback_of_ours_obeys_nobody_either(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError(f"an odd name: {EVIL}")

    monkeypatch.setattr("toonforge.use.offered.offered", fail)
    assert main(["translate", "model", "photo"]) == 1
    told = capfd.readouterr().err
    assert "internal error" in told and not obeyed(told)
    path = Path(told.rpartition("Traceback: ")[2].strip())
    path.unlink()
