"""`toonforge data cartoonize` and `smooth-edges`, and what all verbs of `data` share: exit codes, stops, summaries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pictures import fill, save
from toonforge.cli import main
from toonforge.cli.data import VERBS
from toonforge.cli.data.bar import Bar
from toonforge.prepare.engine.task import Outcome

ROOT = Path(__file__).parent.parent


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "photos", 4)
    return Path("photos")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["data", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_summary_counts_names_and_says_where(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "bad.jpg").write_bytes(b"")
    code, out, err = run(capsys, "cartoonize", "photos", "--style", "poster")
    assert code == 0 and err == ""
    assert "4 pictures in photos-cartoonized" in out and "bad.jpg: the file is empty" in out
    assert [line.split() for line in out.splitlines()[1:3]] == [["written", "4"], ["unreadable", "1"]]
    assert "photos-cartoonized/manifest.csv" in out
    code, out, err = run(capsys, "cartoonize", "photos", "--style", "poster")
    assert code == 0 and "4 of 5 done before" in err and "4 pictures in photos-cartoonized" in out
    (photos / "bad.jpg").unlink()
    assert "4 of 4 done before, nothing left to do" in run(capsys, "cartoonize", "photos", "--style", "poster")[2]


def test_many_examples_are_counted(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(9):
        (photos / f"bad{number}.jpg").write_bytes(b"")
    out = run(capsys, "smooth-edges", "photos")[1]
    assert "bad2.jpg" in out and "bad3.jpg" not in out and "and 6 more" in out


def test_options_reach_the_filters(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from toonforge.data import cartoonize, read_picture, smooth_edges

    assert run(capsys, "cartoonize", "photos", "--full-size", "--format", "webp", "-o", "drawn")[0] == 0
    assert run(capsys, "smooth-edges", "drawn", "--low", "10", "--high", "20", "--kernel", "3", "--size", "20")[0] == 0
    photo = read_picture(photos / "picture00.png")
    drawn = read_picture("drawn/picture00.webp")
    assert (drawn == cartoonize(photo)).all()
    from toonforge.data import scale_short_side

    expected = smooth_edges(scale_short_side(drawn, 20), low=10, high=20, size=3)
    assert (read_picture("drawn-smooth/picture00.png") == expected).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cartoonize", "absent"], "the folder absent does not exist"),
        (["cartoonize", "photos/picture00.png"], "is a file"),
        (["cartoonize", "photos", "-o", "photos/out"], "lies in the folder that is read"),
        (["cartoonize", "photos", "-o", "."], "holds the folder that is read"),
        (["cartoonize", "photos", "-o", "strangers"], "did not write"),
        (["cartoonize", "photos", "-o", "strangers", "--force"], "did not write"),
        (["cartoonize", "photos", "-o", "strangers/mine.txt"], "cannot be written"),
        (["cartoonize", "photos", "--style", "clasic"], "classic"),
        (["cartoonize", "photos", "--full-size", "--size", "9"], "exclude each other"),
        (["cartoonize", "photos", "--workers", "0"], "workers"),
        (["smooth-edges", "photos", "--kernel", "4"], "odd"),
        (["cartoonise", "photos"], "cartoonize"),
        ([], "cartoonize"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gives_code_2_and_one_message(
    photos: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    Path("strangers").mkdir()
    Path("strangers/mine.txt").write_text("mine", "utf-8")
    code, out, err = run(capsys, *words)
    assert code == 2 and message in err + out and "Traceback" not in err and err.count("error:") <= 1
    assert Path("strangers/mine.txt").read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["filter", "photos", "--workers", "abc"], "error: --workers: 'abc' is not a whole number\n"),
        (["filter", "photos", "--workers", "0"], "error: --workers: 0 is less than 1\n"),
        (["dedupe", "photos", "--distance", "13"], "error: --distance: 13 is not from 0 to 12\n"),
        (["filter", "photos", "--min-colour", "x"], "error: --min-colour: 'x' is not a number\n"),
        (["filter"], "error: missing argument 'SOURCE'\n"),
        (["pair", "absent", "photos"], "error: the folder absent does not exist\n"),
        (["inspect", "a\x1bb"], "error: the folder a\\x1bb does not exist\n"),
    ],
    ids=lambda value: " ".join(value).replace("\x1b", "ESC") if isinstance(value, list) else "",
)
def test_mistakes_in_words_look_like_all_others(
    photos: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    code, _, err = run(capsys, *words)
    assert code == 2 and err.startswith(message) and "Usage" not in err


def test_what_is_gone_and_what_was_changed_is_told(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "new\nline\x1b.jpg").write_bytes(b"")
    assert r"new\nline\x1b.jpg: the file is empty" in run(capsys, "filter", "photos", "--min-side", "0")[1]
    (photos / "picture00.png").unlink()
    out = Path("photos-filtered") / next(Path("photos-filtered").rglob("picture01.png")).relative_to("photos-filtered")
    out.write_bytes(b"x")
    told = run(capsys, "filter", "photos", "--min-side", "0")[1]
    assert "1 is of a file that is no longer there: kept; --prune removes" in told
    assert f"1 output was changed since it was made: {out.relative_to('photos-filtered')}. It stays; delete it" in told
    assert "no longer there" not in run(capsys, "filter", "photos", "--min-side", "0", "--prune")[1]


def test_other_settings_are_refused_until_forced(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "cartoonize", "photos")[0] == 0
    code, _, err = run(capsys, "cartoonize", "photos", "--size", "10")
    assert code == 2 and "size was 286, and is 10 now" in err and "--force" in err
    assert run(capsys, "cartoonize", "photos", "--size", "10", "--force")[0] == 0


def test_nothing_readable_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/bad.jpg").write_bytes(b"")
    code, out, _ = run(capsys, "cartoonize", str(tmp_path / "photos"))
    assert code == 2 and "bad.jpg" in out


def test_what_breaks_at_one_file_is_code_1_and_told(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("toonforge.prepare.verbs.redraw.write_whole", broken)
    code, out, err = run(capsys, "cartoonize", "photos")
    assert code == 1 and "RuntimeError: a bug" in out and "tried again" in err


# -- stopped ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_tells_how_to_go_on_and_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    photos = tmp_path / "my photos"
    picture = save(photos / "000.png", 286, 300).read_bytes()
    for one in range(1, 400):
        (photos / f"{one:03}.png").write_bytes(picture)
    words = [sys.executable, "-m", "toonforge", "data", "cartoonize", str(photos), "--workers", "2", "--force"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    table = tmp_path / "my photos-cartoonized/manifest.csv"
    deadline = time.monotonic() + 60
    while not table.is_file() or table.read_text("utf-8").count("\n") < 9:
        assert started.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    began = time.monotonic()
    started.send_signal(number)
    time.sleep(0.1)
    os.killpg(started.pid, number)  # as a terminal does: the workers get it too; both, as `timeout` does it
    out, err = started.communicate(timeout=30)
    assert started.returncode == 130 and time.monotonic() - began < 10
    assert out.count("written") == 1 and "Traceback" not in err and "KeyboardInterrupt" not in err
    assert f"go on with: toonforge data cartoonize '{photos}' --workers 2\n" in err  # and not --force
    done = table.read_text("utf-8")
    assert not list(table.parent.rglob(".*"))
    rest = [file for file in photos.iterdir() if f"{file.name},written" not in done]
    assert 0 < len(rest) < 392
    for file in rest[5:]:
        file.unlink()
    again = subprocess.run(words[:-1], env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0 and f"{400 - len(rest)} of {400 - len(rest) + 5} done before" in again.stderr


# -- on the way -------------------------------------------------------------------------------------------------------


def test_a_log_file_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Bar("picture") as bar:
        bar.begin("cartoonize", 1000, 100)
        for number in range(100):
            now[0] += 0.25
            bar.advance(Outcome(action="unreadable" if number == 3 else "written"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "100 of 1,000 done before" and len(lines) == 6
    assert lines[1] == "cartoonize  120/1,000  4.0 pictures/s  3:40 left  1 unreadable"


PROBE = """
import json, sys
from toonforge.cli import main
code = main(json.loads(sys.argv[1]))
heavy = {"torch", "accelerate", "torchvision", "cv2", "rich", "numpy", "PIL", "av"}
print("PROBE", json.dumps([code, sorted({name.split(".")[0] for name in sys.modules} & heavy)]))
"""


@pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(["data", *words])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert json.loads(done.stdout.rpartition("PROBE ")[2]) == [0, []], done.stderr
