"""`toonforge translate`: what it reads, writes, says and refuses."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import toonforge
from tests.test_use_translate import about, picture, pixels, save
from toonforge.cli import main

EVIL = "a\n\x1b]0;owned\x07\u202egpj.png"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that gives negatives, and a picture; the working directory."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "model", "G", about("G", {"anime": "G(photo)", "photo": "G(anime)"}))
    picture(tmp_path / "a.png")
    return tmp_path


@pytest.fixture
def network(place: Path) -> str:
    """A model whose network every process knows."""
    described = {**about("G", {"anime": "G(photo)"}), "component": {"type": "cyclegan/unet", "width": 2, "levels": 2}}
    (place / "network").mkdir()
    state = toonforge.generators["cyclegan/unet"](width=2, levels=2).build().state_dict()
    save_file(state, place / "network" / "G.safetensors", {"toonforge": json.dumps(described)})
    return "network"


def test_the_last_line_says_how_many_what_where_by_what_and_how_fast(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("in/b.png", "in/c.gif", "in/sub/d.jpg"):
        picture(place / name)
    assert main(["translate", "model", "a.png", "in", "--to", "photo"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("4 pictures translated to photo: translated (negative, on the CPU, ")
    assert told.out.endswith(" pictures/s)\n")
    assert told.err.splitlines() == [
        "1/4  a.png -> translated/a.png",
        "2/4  in/b.png -> translated/b.png",
        "3/4  in/c.gif -> translated/c.png",
        "4/4  in/sub/d.jpg -> translated/sub/d.jpg",
    ]


def test_a_pattern_in_quotes_is_taken_as_the_shell_would(place: Path) -> None:
    for name in ("in/b.png", "in/sub/c.png", "in/d.jpg"):
        picture(place / name)
    assert main(["translate", "model", "in/**/*.png", "--format", "webp"]) == 0
    assert {str(path.relative_to("translated")) for path in Path("translated").rglob("*.*")} == {"b.webp", "sub/c.webp"}


def test_it_goes_on_where_it_stopped(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(place / "in" / "a.png")
    assert main(["translate", "model", "in"]) == 0
    before = os.stat("translated/a.png").st_mtime_ns
    picture(place / "in" / "b.png")
    assert main(["translate", "model", "in"]) == 2
    assert "--skip-existing" in capsys.readouterr().err
    assert main(["translate", "model", "in", "--skip-existing"]) == 0
    told = capsys.readouterr()
    assert "1 left out: the output is there" in told.err and told.out.startswith("1 picture translated")
    assert os.stat("translated/a.png").st_mtime_ns == before
    assert main(["translate", "model", "in", "--skip-existing"]) == 0
    assert capsys.readouterr().out == "nothing left to do\n"
    assert main(["translate", "model", "in", "--force"]) == 0
    assert os.stat("translated/a.png").st_mtime_ns != before


def test_a_wrong_domain_and_what_stands_in_the_way_are_told_together(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(place / "translated" / "a.png")
    assert main(["translate", "model", "a.png", "--to", "foto"]) == 2
    told = capsys.readouterr().err
    assert "'foto'" in told and "translated/a.png is there already" in told
    assert main(["translate", "model", "nowhere.png", "--to", "foto"]) == 2
    told = capsys.readouterr().err
    assert "'foto'" in told and "nowhere.png is not there" in told


def test_outputs_of_another_call_among_the_inputs_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture(place / "in" / "a.png")
    assert main(["translate", "model", "in", "-o", "in/x1"]) == 0
    assert "outputs of before" not in capsys.readouterr().err
    assert main(["translate", "model", "in", "-o", "in/x2"]) == 0
    assert "x1 holds 1 of the inputs, each called like one outside: outputs of before?" in capsys.readouterr().err


def test_an_option_for_what_is_not_there_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "model", "a.png", "--steady", "0.5"]) == 0
    assert "--steady changes nothing" in capsys.readouterr().err
    (place / "clip.mp4").write_bytes(b"no film")
    assert main(["translate", "model", "clip.mp4", "--format", "png"]) == 2
    assert "--format changes nothing" in capsys.readouterr().err


def given(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Let this be standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def encoded(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def test_pictures_go_through_pipes(network: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toonforge", "translate", network, "-", "--strength", "0"],
        input=Path("a.png").read_bytes(),
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), pixels(Path("a.png")))
    assert b"1 picture translated to anime: standard output" in done.stderr


@pytest.mark.parametrize(("kind", "kept"), [("PNG", "PNG"), ("JPEG", "JPEG"), ("WEBP", "WEBP"), ("GIF", "PNG")])
def test_standard_output_has_the_kind_of_the_input_where_it_is_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], kind: str, kept: str
) -> None:
    given(monkeypatch, encoded(Image.new("RGB", (4, 4)), kind))
    assert main(["translate", "model", "-"]) == 0
    assert Image.open(io.BytesIO(capsysbinary.readouterr().out)).format == kept
    Path("b.img").write_bytes(encoded(Image.new("RGB", (4, 4)), kind))
    assert main(["translate", "model", "b.img", "-o", "-", "--format", "webp"]) == 0
    assert Image.open(io.BytesIO(capsysbinary.readouterr().out)).format == "WEBP"


@pytest.mark.parametrize(("data", "said"), [(b"", "nothing"), (b"no picture", "skipped standard input: no picture")])
def test_what_comes_through_a_pipe_may_be_no_picture(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    given(monkeypatch, data)
    assert main(["translate", "model", "-"]) == 2
    told = capsys.readouterr()
    assert said in told.err and not told.out


def test_standard_input_without_an_end_does_not_fill_the_memory(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("toonforge.cli.translate.MOST_BYTES", 1000)
    given(monkeypatch, bytes(10**6))
    assert main(["translate", "model", "-"]) == 2
    assert "more than 1,000 bytes" in capsys.readouterr().err


def test_standard_input_may_go_into_a_folder(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, Path("a.png").read_bytes())
    assert main(["translate", "model", "-", "-o", "out"]) == 0
    assert "1 picture translated to anime: out/stdin.png" in capsys.readouterr().out


def test_the_look_is_a_matter_of_options(place: Path) -> None:
    def made(*options: str) -> np.ndarray:
        assert main(["translate", "model", "a.png", "-o", "out.png", "--force", *options]) == 0
        return pixels(Path("out.png")).astype(int)

    x = pixels(Path("a.png")).astype(int)
    assert np.array_equal(made(), 255 - x)
    assert np.array_equal(made("--strength", "0"), x)
    assert np.abs(made("--strength", "0.25") - (0.75 * x + 0.25 * (255 - x))).max() <= 0.51
    luma = np.array([0.2126, 0.7152, 0.0722])
    assert np.abs(made("--keep-color") @ luma - (255 - x) @ luma).max() <= 1
    assert made("--smooth", "1").std() < 0.95 * x.std()


def test_larger_pictures_are_scaled_down_first(place: Path) -> None:
    picture(place / "in" / "small.png", (10, 8))
    assert main(["translate", "model", "a.png", "in", "--size", "12"]) == 0
    assert Image.open("translated/a.png").size == (20, 12)
    assert Image.open("translated/small.png").size == (10, 8)


BAD = [
    (["model", "a.png", "--size", "0"], "is less than 1"),
    (["model", "a.png", "--strength", "1.5"], "is not from 0 to 1"),
    (["model", "a.png", "--strength", "nan"], "strength"),
    (["model", "a.png", "--smooth", "-1"], "is not from 0 to 1"),
    (["model", "a.png", "--smooth", "much"], "is not a number"),
    (["model", "a.png", "--batch", "0"], "is less than 1"),
    (["model", "a.png", "--format", "gif"], "'gif' is not one of"),
    (["model", "a.png", "--to", "anme"], "did you mean 'anime'"),
    (["model", "a.png", "--force", "--skip-existing"], "exclude each other"),
    (["model", "nowhere.png"], "nowhere.png is not there"),
    (["model", "*.jpg"], "*.jpg matches no pictures"),
    (["mdel", "a.png"], "did you mean 'model'"),
    (["model", "model"], "no pictures in model"),
    (["model", "a.png", "-o", "a.png", "--force"], "a.png is an input"),
    (["model", "a.png", "model/G.safetensors", "-o", "-"], "one picture"),
    (["model"], "INPUT"),
]
"""Words of a command, and what is said of them."""


def test_what_cannot_be_done_is_one_message_before_torch_is_imported(place: Path) -> None:
    code = """
import contextlib, io, json, sys
from toonforge.cli import main
told = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(["translate", *words])
    told.append([code, err.getvalue()])
print(json.dumps([told, "torch" in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps([words for words, _ in BAD])],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told, torch_imported = json.loads(done.stdout)
    assert not torch_imported
    for (words, said), (exit_code, err) in zip(BAD, told):
        assert exit_code == 2 and said in err and err.count("error") == 1, (words, err)


def test_a_terminal_gets_no_picture(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("toonforge.cli.translate.sys.stdout", Terminal())
    assert main(["translate", "model", "a.png", "-o", "-"]) == 2
    assert "no picture is written to a terminal" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_names_of_files_are_shown_and_not_obeyed(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture(place / "in" / EVIL)
    (place / "in" / f"bad{EVIL}").write_text("x")
    assert main(["translate", "model", "in"]) == 2
    assert Path("translated", EVIL).is_file()
    told = capfd.readouterr()
    for obeyed in ("\x1b]", "\x07", "\u202e", "a\n"):
        assert obeyed not in told.err + told.out
    assert main(["translate", "model", f"in/{EVIL}"]) == 2
    assert "\x1b]" not in capfd.readouterr().err


def test_names_that_are_no_text_are_translated_too(place: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    os.makedirs("in")
    os.rename("a.png", f"in/{name}")
    assert main(["translate", "model", "in"]) == 0
    assert os.path.isfile(f"translated/{name}")


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGINT, signal.SIGINT]])
def test_ctrl_c_leaves_whole_files_and_says_how_to_go_on(
    place: Path, network: str, signals: list[signal.Signals]
) -> None:
    """Whoever presses it twice in a row means the same."""
    first = picture(place / "in" / "000.png", (200, 200)).read_bytes()
    for number in range(200):
        (place / "in" / f"{number:03}.png").write_bytes(first)
    process = subprocess.Popen(
        [sys.executable, "-m", "toonforge", "translate", network, "in", "--batch", "1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()  # the first is there
    for number in signals:
        process.send_signal(number)
        time.sleep(0.02)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and not out and "Traceback" not in err and "terminate" not in err
    written = list(Path("translated").iterdir())
    assert f"stopped: {len(written)} of 200 are translated, none in part" in err
    assert "--skip-existing does the rest" in err
    assert 1 <= len(written) < 200
    assert all(path.name[0] != "." and pixels(path).shape == (200, 200, 3) for path in written)


def test_a_further_request_ends_it_at_once_and_takes_what_is_half_written_along(tmp_path: Path) -> None:
    code = """
import sys, threading, time
from pathlib import Path
from toonforge.cli import leaving
from toonforge.files import beside
leaving.at_once(leaving.stopped)
with leaving.in_order():
    try:
        with beside(Path("film.mp4")) as partial:
            partial.write_text("half")
            try:
                print("begun", flush=True)
                time.sleep(60)
            finally:
                print("ends", flush=True)
                time.sleep(60)  # what was begun comes to its end
    finally:
        print("never")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "ends\n"
    process.send_signal(signal.SIGINT)  # the same request
    time.sleep(0.6)
    assert process.poll() is None and list(tmp_path.iterdir())
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "stopped\n") and process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_of_an_output_is_removed_and_nothing_else(place: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours = Path("translated", f".a.png.{gone.pid}-0.partial")
    others = [f".b.png.{gone.pid}-0.partial", f".a.png.{os.getppid()}-0.partial", "a.png.partial"]
    ours.parent.mkdir()
    for name in [ours.name, *others]:
        (ours.parent / name).write_text("half")
    assert main(["translate", "model", "a.png"]) == 0
    assert {path.name for path in ours.parent.iterdir()} == {"a.png", *others}


def test_a_standard_output_that_is_full_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("toonforge.cli.translate.sys.stdout", full)
        assert main(["translate", "model", "a.png", "-o", "-"]) == 2
        monkeypatch.undo()
    assert "standard output cannot be written: No space left on device" in capsys.readouterr().err


def test_a_bar_is_drawn_on_a_terminal_and_lines_above_it(place: Path, network: str) -> None:
    pty = pytest.importorskip("pty")
    picture(place / "in" / "a.png")
    (place / "in" / "bad.png").write_text("x")
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "toonforge", "translate", network, "in"],
        stderr=theirs,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        seen += part
    out, _ = done.communicate(timeout=30)
    os.close(ours)
    assert done.returncode == 2 and out.startswith("1 picture translated")
    assert "2/2" in seen.decode() and "pictures/s" in seen.decode() and "bad.png" in seen.decode()


def test_left_at_once_a_terminal_has_a_line_in_place_of_the_bar(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    code = """
import os, signal, time
from toonforge.cli import leaving
from toonforge.cli.translating import Telling
leaving.at_once(leaving.stopped)
with Telling("picture", 2):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
"""
    ours, theirs = pty.openpty()
    done = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, cwd=tmp_path)
    os.close(theirs)
    seen = b""
    while not seen.endswith(b"stopped\r\n"):
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert done.wait(20) == 130 and b"translating" in seen
    assert seen.endswith(b"\r\x1b[2K\x1b[?25hstopped\r\n")
