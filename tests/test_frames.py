"""`toonforge data frames`: which frames come out, whatever stops it, and what it says of films that are none."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image

from tests import films, pictures
from toonforge.cli import main
from toonforge.errors import DataError
from toonforge.prepare.engine import work as engine
from toonforge.prepare.engine.task import Outcome, Source, Task
from toonforge.prepare.engine.work import Report, Row
from toonforge.prepare.films.film import survey
from toonforge.prepare.films.plan import LEAD, Piece, Wanted, pieces
from toonforge.prepare.films.tasks import Measuring, Surveying, Writing, load_figures
from toonforge.prepare.verbs.frames import frames

FPS = 4
LENGTHS = (80, 60, 100, 44, 120, 76)
"""Frames of the scenes of a film of 2 minutes: 4 pieces of 30 seconds, with key frames every 5."""

ENDS = np.cumsum(LENGTHS)

SMALL = {"preset": "ultrafast", "crf": "26", "bf": "2"}
"""So small a film is worked on in one process, which is quicker to start."""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of six scenes, in a folder of its own."""
    shots = [picture for seed, length in enumerate(LENGTHS) for picture in films.scene(seed, length, speed=0.4)]
    return films.film(tmp_path_factory.mktemp("long") / "long.mkv", shots, fps=FPS, gop_size=20, options=SMALL)


@pytest.fixture(scope="module")
def whole(long: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Report]:
    """What a call gives for that film with some settings, each made once; only to be read and copied."""

    @cache
    def made(**settings: float) -> Report:
        return frames(long, tmp_path_factory.mktemp("whole") / "out", **settings)

    return made


def short(path: Path, scenes: int = 2, seed: int = 0) -> Path:
    """A film of a few seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(path.suffix, scenes, seed))
    return path


@cache
def packed(suffix: str, scenes: int, seed: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        shots = [picture for i in range(scenes) for picture in films.scene(seed + i, 20, speed=1)]
        return films.film(Path(folder, f"a{suffix}"), shots, fps=12).read_bytes()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What a call gives for a short film; only to be read and copied. Below are films/a.mp4 and elsewhere/b.mp4."""
    root = tmp_path_factory.mktemp("done")
    short(root / "elsewhere/b.mp4", seed=3)
    return frames(short(root / "films/a.mp4"), root / "out")


def film_of(done: Report) -> Path:
    return done.out.with_name("films") / "a.mp4"


def copied(report: Report, out: Path) -> Path:
    """As if the call had been given another OUT."""
    return Path(shutil.copytree(report.out, out))


def written(report: Report) -> list[Row]:
    return [row for row in report.rows if row.action == "written"]


def number(report: Report, row: Row) -> int:
    return films.number_of(np.asarray(Image.open(report.out / row.output)))


def table(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def content(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file() and path.suffix in (".jpg", ".png", ".csv"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("per_scene", [1, 3])
def test_each_scene_gives_its_frames_and_the_manifest_says_which(whole: Callable[..., Report], per_scene: int) -> None:
    report = whole(per_scene=per_scene)
    assert report.counts == {"written": per_scene * len(LENGTHS)}
    for row in written(report):
        shown, scene = number(report, row), int(row.figures["scene"])
        assert ENDS[scene - 1] - LENGTHS[scene - 1] <= shown < ENDS[scene - 1]
        assert float(row.figures["time"]) == pytest.approx(shown / FPS, abs=1e-3)
        assert row.output == f"long/{shown / FPS:010.3f}s.jpg" and row.figures["film"] == "long.mkv"
        assert row.source == f"long.mkv#t=00:{int(shown / FPS // 60):02d}:{shown / FPS % 60:06.3f}"
    scenes = [int(row.figures["scene"]) for row in written(report)]
    assert sorted(scenes) == [scene + 1 for scene in range(len(LENGTHS)) for _ in range(per_scene)]
    assert {row["output"] for row in table(report.out)} == {
        path.relative_to(report.out).as_posix() for path in report.out.rglob("*.jpg")
    }


@pytest.mark.parametrize("every", [0.4, 1, 7.3])
def test_every_so_many_seconds_gives_the_nearest_frames(long: Path, tmp_path: Path, every: float) -> None:
    report = frames(long, tmp_path / "out", every=every)
    duration = (ENDS[-1] - 1) / FPS
    wanted = [i * every for i in range(int(duration / every + 1e-9) + 1)]
    times = [float(row.figures["time"]) for row in written(report)]
    assert len(times) == len(wanted) and np.abs(np.subtract(times, wanted)).max() <= 0.5 / FPS + 1e-3
    assert [number(report, row) for row in written(report)] == [round(t * FPS) for t in times]


def test_with_a_variable_frame_rate_the_nearest_frames_are_taken(tmp_path: Path) -> None:
    times = np.cumsum([0, *np.random.default_rng(1).choice([20, 40, 130, 500], 59)])
    path = films.film(tmp_path / "a.mkv", films.scene(0, 60), times=times.tolist())
    report = frames(path, tmp_path / "out", every=0.5)
    shown = [number(report, row) for row in written(report)]
    wanted = np.arange(0, times[-1] / 1000, 0.5)
    assert shown == sorted({int(np.abs(times / 1000 - w).argmin()) for w in wanted})
    assert [float(row.figures["time"]) for row in written(report)] == pytest.approx(times[shown] / 1000)


def test_a_dissolve_and_a_fade_are_kept_out(tmp_path: Path) -> None:
    shots = [films.scene(i, 75, 288, 512, speed=1) for i in range(3)]
    last = films.fade_out(shots[2], 15)
    path = films.film(
        tmp_path / "a.mp4", [*films.dissolve(shots[0], shots[1], 25), *last, *[np.zeros_like(last[0])] * 25]
    )
    report = frames(path, tmp_path / "out", per_scene=2)
    shown = sorted(number(report, row) for row in written(report))
    assert len(shown) == 6 and not any(50 <= i < 75 or i >= 185 for i in shown)
    dark = [row for row in report.rows if row.action == "skipped"]
    assert dark and all(row.reason.startswith("dark: ") and not row.output for row in dark)


def test_run_again_does_nothing(
    long: Path, whole: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = whole(per_scene=1)
    out = copied(first, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}

    def fail(*_: object) -> None:
        raise AssertionError("a film was opened")

    monkeypatch.setattr("toonforge.prepare.films.film.opened", fail)
    again = frames(long, out)
    assert again.rows == first.rows and len(before) == len(first.rows)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")} == before


def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that worker processes are begun for, from now on."""
    told: list[str] = []
    original = engine.work_in_processes

    def noted(task: Task, *given: Any) -> Any:
        told.append(type(task).__name__)
        return original(task, *given)

    monkeypatch.setattr(engine, "work_in_processes", noted)
    return told


def test_one_process_and_several_give_the_same(
    long: Path, whole: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = whole(per_scene=1)
    monkeypatch.setattr(engine, "FEW", 0)
    told = begun(monkeypatch)
    frames(long, tmp_path / "two", workers=2)
    assert told == ["Surveying", "Measuring", "Writing"]
    assert content(one.out) == content(tmp_path / "two")


def test_for_a_short_film_no_process_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, told = short(tmp_path / "a.mp4"), begun(monkeypatch)
    frames(path, tmp_path / "out")
    frames(path, tmp_path / "out", per_scene=2, force=True)
    assert not told


@pytest.mark.parametrize("force", [False, True])
def test_a_film_that_may_have_ended_a_call_is_written_in_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    path = short(tmp_path / "a.mp4")

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as context:
        context.setattr(Writing, "__call__", killed)
        with pytest.raises(SystemExit):
            frames(path, tmp_path / "out")
    told = begun(monkeypatch)
    assert frames(path, tmp_path / "out", per_scene=1 + force, force=force).written == 2 + 2 * force
    assert told == ["Writing"]


class Stop:
    """Progress that presses Ctrl-C when so many pieces are done."""

    def __init__(self, after: int) -> None:
        self.left = after

    def begin(self, what: str, total: int, done: int) -> None:
        pass

    def advance(self, outcome: Outcome) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("after", [3, *(pytest.param(n, marks=pytest.mark.soak) for n in (1, 5, 7))])
def test_stopped_and_gone_on_is_as_if_never_stopped(
    long: Path, whole: Callable[..., Report], tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toonforge.prepare.engine.stop.MOMENT", 0.0)
    stopped = frames(long, tmp_path / "stopped", per_scene=3, workers=1, progress=Stop(after))
    assert stopped.stopped and stopped.out == tmp_path / "stopped"
    frames(long, tmp_path / "stopped", per_scene=3)
    assert content(tmp_path / "stopped") == content(whole(per_scene=3).out)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_killed_half_way_and_run_again(
    long: Path, whole: Callable[..., Report], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-m", "toonforge", "data", "frames", str(long), "-o", str(out), "--every", "0.5"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while not any(out.glob("long/*.jpg")) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
    assert process.returncode == code
    assert "go on with:" in told or number == signal.SIGKILL
    frames(long, out, every=0.5)
    assert content(out) == content(whole(every=0.5).out)
    assert not [*out.rglob(".*.partial")]


def test_films_are_found_in_folders_and_told_apart(tmp_path: Path) -> None:
    films_ = tmp_path / "films"
    for name in ("a.mp4", "a.mkv", "Summer 🌊/B.MKV", ".hidden.mp4"):
        short(films_ / name, scenes=1)
    pictures.save(films_ / "cover.jpg")
    (films_ / "loop").symlink_to(films_)
    report = frames(films_, tmp_path / "out")
    assert {row.output.rsplit("/", 1)[0] for row in written(report)} == {"a.mp4", "a.mkv", "Summer 🌊/B"}
    assert {row.figures["film"] for row in report.rows} == {"a.mp4", "a.mkv", "Summer 🌊/B.MKV"}


def test_films_of_earlier_calls_stay_and_so_do_frames_of_those_that_are_gone(tmp_path: Path) -> None:
    one, two, out = short(tmp_path / "one.mp4"), short(tmp_path / "two.mp4", seed=5), tmp_path / "out"
    first = frames(one, out)
    both = frames(two, out)
    assert {row.figures["film"] for row in both.rows} == {"one.mp4", "two.mp4"} and not both.gone
    assert written(first) == [row for row in written(both) if row.figures["film"] == "one.mp4"]
    one.rename(tmp_path / "elsewhere")
    left = frames(two, out)
    assert left.rows == both.rows and left.gone == tuple(row.source for row in first.rows)
    assert content(out).keys() == {"manifest.csv", *(row.output for row in both.rows)} | scenes_of(out)
    (tmp_path / "elsewhere").rename(one)
    back = frames(two, out)
    assert back.rows == both.rows and not back.gone
    one.unlink()
    pruned = frames(two, out, prune=True)
    assert {row.figures["film"] for row in pruned.rows} == {"two.mp4"} and not pruned.gone
    assert not (out / "one").exists() and (out / "two").exists()


def scenes_of(out: Path) -> set[str]:
    return {f"{folder}/manifest.csv" for folder in (".films", ".scenes") if (out / folder).is_dir()}


def test_a_film_of_a_name_that_was_another_s_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    one, out = short(tmp_path / "films/a.mp4"), tmp_path / "out"
    first = frames(one.parent, out)
    one.unlink()
    short(tmp_path / "films/a.mkv", seed=5)
    both = frames(one.parent, out)
    assert {row.output.split("/")[0] for row in both.rows} == {"a", "a.mkv"} and both.rows[-2:] == first.rows


@pytest.mark.parametrize("lost", ["row", "picture", "end"])
def test_what_is_lost_is_made_again(long: Path, whole: Callable[..., Report], tmp_path: Path, lost: str) -> None:
    report = whole(per_scene=3)
    out = copied(report, tmp_path / "out")
    before, table_ = content(out), out / "manifest.csv"
    if lost == "row":
        lines = table_.read_text("utf-8").splitlines(keepends=True)
        table_.write_text("".join(lines[:4] + lines[5:]), "utf-8")
    elif lost == "end":
        os.truncate(table_, table_.stat().st_size - 5)
    else:
        (out / written(report)[3].output).unlink()
    assert content(out) != before
    assert frames(long, out, per_scene=3).rows == report.rows and content(out) == before


def test_films_may_be_given_as_text(tmp_path: Path) -> None:
    path = short(tmp_path / "a.mp4")
    report = frames(str(path))
    assert report.out == tmp_path / "a-frames"
    assert frames([str(path), path], str(tmp_path / "out")).counts == report.counts


def test_too_short_a_scene_is_said(tmp_path: Path) -> None:
    shots = [*films.scene(0, 50), *films.scene(1, 5), *films.scene(2, 50)]
    report = frames(films.film(tmp_path / "a.mp4", shots), tmp_path / "out")
    assert report.counts == {"written": 2, "skipped": 1}, report.rows
    [row] = [row for row in report.rows if row.action == "skipped"]
    assert row.reason == "a scene too short: from 2.00 to 2.20 seconds, less than 0.4 seconds"
    assert row.source == "a.mp4#t=00:00:02.000"


def test_a_changed_film_is_done_again(tmp_path: Path) -> None:
    path, out = short(tmp_path / "a.mp4"), tmp_path / "out"
    frames(path, out)
    short(path, scenes=3, seed=7)
    frames(path, out)
    frames(path, tmp_path / "new")
    assert content(out) == content(tmp_path / "new")


def test_other_settings_are_refused_or_begin_anew(tmp_path: Path) -> None:
    path, out = short(tmp_path / "a.mp4"), tmp_path / "out"
    frames(path, out)
    with pytest.raises(DataError, match="--per-scene"):
        frames(path, out, per_scene=2)
    frames(path, out, per_scene=2, format="png", force=True)
    frames(path, tmp_path / "new", per_scene=2, format="png")
    assert content(out) == content(tmp_path / "new") and not [*out.rglob("*.jpg")]


def test_size_scales_down_and_never_up(tmp_path: Path) -> None:
    path = short(tmp_path / "a.mp4")
    for size, expected in ((60, (80, 60)), (500, (160, 120))):
        report = frames(path, tmp_path / str(size), size=size, format="png")
        for row in written(report):
            assert Image.open(report.out / row.output).size == expected


def test_max_spreads_what_is_left_and_from_and_until_limit_it(long: Path, tmp_path: Path) -> None:
    few = written(frames(long, tmp_path / "few", every=1, max=4))
    times = [float(row.figures["time"]) for row in few]
    assert len(times) == 4 and min(np.diff(times)) > 25
    part = frames(long, tmp_path / "part", start=40, until=62)
    assert all(40 <= float(row.figures["time"]) <= 62 for row in written(part)) and len(written(part)) == 2
    none = frames(long, tmp_path / "none", start=500)
    assert none.counts == {"skipped": 1} and "119.8 seconds" in none.rows[0].reason


def test_bad_films_are_recorded_and_the_others_done(long: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    short(folder / "good.mp4")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mov").write_text("Once upon a time " * 50)
    pictures.save(tmp_path / "p.png").rename(folder / "picture.webm")
    (folder / "nowhere.mkv").symlink_to(tmp_path / "absent")
    (folder / "torn.mkv").write_bytes(long.read_bytes()[: long.stat().st_size // 2])
    report = frames(folder, tmp_path / "out")
    assert report.counts["unreadable"] == 4 and report.counts["truncated"] == 1
    reasons = {row.source: row.reason for row in report.rows if row.reason}
    assert {name for name in reasons if "#t=" not in name} == {
        "empty.mp4",
        "text.mov",
        "picture.webm",
        "nowhere.mkv",
        "torn.mkv",
    }
    assert "ends after" in reasons["torn.mkv"] and reasons["empty.mp4"] == "the file is empty"
    assert {row.figures["film"] for row in written(report)} == {"good.mp4", "torn.mkv"}
    (folder / "text.mov").unlink()
    short(folder / "text.mov", seed=3)
    assert frames(folder, tmp_path / "out").counts["unreadable"] == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"every": 0}, "every"),
        ({"every": float("nan")}, "every"),
        ({"per_scene": 0}, "--per-scene"),
        ({"threshold": 1}, "threshold"),
        ({"start": -1}, "from"),
        ({"start": 5, "until": 5}, "--until: it must be after --from"),
        ({"size": 3}, "size"),
        ({"format": "gif"}, "jpg or png"),
        ({"max": 0}, "max"),
        ({"every": 1, "per_scene": 2}, "scenes are not looked for"),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        frames(tmp_path / "a.mp4", tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_out_must_be_a_folder_of_its_own(tmp_path: Path) -> None:
    path = short(tmp_path / "films/a.mp4")
    pictures.save(tmp_path / "mine/b.png")
    for films_, out in (
        (path.parent, path.parent / "out"),
        (path, path.parent),
        (path, tmp_path),
        (path, tmp_path / "mine"),
    ):
        with pytest.raises(DataError):
            frames(films_, out)
    assert [*(tmp_path / "mine").iterdir()] == [tmp_path / "mine/b.png"] and [*path.parent.iterdir()] == [path]
    assert frames(path, path.parent / "out").counts == {"written": 2}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = short(tmp_path / "holiday.mp4")
    assert main(["data", "frames", str(path), "--from", "0:00:01", "--until", "0:03"]) == 0
    out = capsys.readouterr().out
    assert "2 frames in" in out and "holiday-frames/manifest.csv" in out
    assert all(1 <= float(row["time"]) <= 3 for row in table(tmp_path / "holiday-frames"))
    for words, told in (
        (["absent.mp4"], "is not there"),
        ([str(tmp_path / "holiday-frames")], "there are no films"),
        ([str(path), "--from", "soon"], "write seconds"),
        ([str(path), "--every", "-1"], "every"),
        ([], "FILM"),
    ):
        assert main(["data", "frames", *words]) == 2
        err = capsys.readouterr().err
        assert told in err and "Traceback" not in err
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    assert main(["data", "frames", str(tmp_path / "bad.mp4")]) == 2
    told = capsys.readouterr().out
    assert "unreadable" in told and not re.search(r"\d frames? in", told)


def test_the_command_counts_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "films", tmp_path / "out"
    short(folder / "a.mp4")
    (folder / "text.mp4").write_text("Once upon a time " * 50)
    words = ["data", "frames", str(folder), "-o", str(out)]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("2 frames in ")
    assert main(words) == 0
    assert capsys.readouterr().err.count("done before") == 1
    assert main([*words, "--from", "1000", "--force"]) == 0
    assert not re.search(r"\d frames? in", capsys.readouterr().out)


def states(folder: Path) -> dict[str, tuple[bytes, int]]:
    """What is in the files of a folder, and when they were changed; hidden ones too."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("name", [".films", ".scenes", ".at-work", "a"])
def test_a_folder_in_out_that_is_a_link_is_refused(
    done: Report, tmp_path: Path, name: str, made: bool, force: bool
) -> None:
    path, out, elsewhere = film_of(done), tmp_path / "out", tmp_path / "elsewhere"
    if made:
        copied(done, out)
        (out / name).rename(elsewhere)
    else:
        out.mkdir()
        elsewhere.mkdir()
    (out / name).symlink_to(elsewhere)
    before = states(elsewhere), states(out)
    with pytest.raises(DataError, match="did not write") as caught:
        frames(path, out, force=force, per_scene=2)
    assert "a link to a folder elsewhere" in str(caught.value.problems[0].found)
    assert (states(elsewhere), states(out)) == before


def test_no_link_to_a_file_is_written_through(tmp_path: Path) -> None:
    path, out, elsewhere = short(tmp_path / "a.mp4"), tmp_path / "out", tmp_path / "elsewhere"
    frames(path, out)
    elsewhere.mkdir()
    for count, file in enumerate([file for file in sorted(out.rglob("*")) if file.is_file()]):
        file.rename(elsewhere / f"{count}")
        file.symlink_to(elsewhere / f"{count}")
        (elsewhere / f"{count}.partial").write_bytes(b"precious")
        file.with_name(f".{file.name}.partial").symlink_to(elsewhere / f"{count}.partial")
    before = states(elsewhere)
    for seed, force in ((1, False), (2, True)):
        short(path, scenes=3, seed=seed)
        assert written(frames(path, out, force=force))
        assert states(elsewhere) == before


def spoil(file: Path, change: Callable[[dict[str, str]], list[dict[str, str]]]) -> None:
    """Change the first row of a manifest."""
    with file.open(encoding="utf-8", newline="") as stream:
        first, *others = csv.DictReader(stream)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=[*first])
        writer.writeheader()
        writer.writerows([*change(first), *others])


SPOILED: dict[str, Callable[[dict[str, str]], list[dict[str, str]]]] = {
    "twice": lambda row: [row, row],
    "elsewhere": lambda row: [row, {**row, "source": "../elsewhere/b.mp4"}],
    "absolute": lambda row: [row, {**row, "source": "/etc/passwd"}],
    "no output": lambda row: [{**row, "output": ""}],
    "another's output": lambda row: [{**row, "output": "manifest.csv"}],
    "odd action": lambda row: [{**row, "action": "eaten"}],
    "no source": lambda row: [{**row, "source": ""}],
    "no number": lambda row: [{**row, "bytes": "many"}],
}


@pytest.mark.parametrize("name", SPOILED)
@pytest.mark.parametrize("pass_", [".films", ".scenes"])
def test_what_no_pass_can_have_written_is_done_again(done: Report, tmp_path: Path, name: str, pass_: str) -> None:
    out, elsewhere = copied(done, tmp_path / "out"), done.out.with_name("elsewhere")
    before, outside = content(out), states(elsewhere)
    spoil(out / pass_ / "manifest.csv", SPOILED[name])
    again = frames(film_of(done), out)
    assert again.rows == done.rows and content(out) == before
    assert outside and states(elsewhere) == outside


@pytest.mark.parametrize("pass_", [".films", ".scenes"])
def test_a_hidden_manifest_of_other_columns_is_begun_anew(done: Report, tmp_path: Path, pass_: str) -> None:
    out = copied(done, tmp_path / "out")
    before = content(out)
    (out / pass_ / "manifest.csv").write_text("a,b\n1,2\n")
    frames(film_of(done), out)
    assert content(out) == before


@pytest.mark.parametrize(
    "wrong",
    [
        *({"film": film} for film in ("../elsewhere/b.mp4", "/etc/passwd", "", "..")),
        *({"time": time} for time in ("soon", "nan", "inf", "-1", "1e300")),
    ],
)
def test_rows_of_frames_that_cannot_be_are_left_out(done: Report, tmp_path: Path, wrong: dict[str, str]) -> None:
    out, elsewhere = copied(done, tmp_path / "out"), done.out.with_name("elsewhere")
    outside = states(elsewhere)
    spoil(out / "manifest.csv", lambda row: [row, {**row, **wrong}])
    assert frames(film_of(done), out).rows == done.rows
    assert outside and states(elsewhere) == outside


def test_nothing_is_written_outside_out_whatever_a_film_s_folder_is(long: Path, tmp_path: Path) -> None:
    film = survey(long)
    piece = pieces("a", film)[0]
    Surveying()(Source("a", long), tmp_path / "surveys")
    one = Wanted(position=int(film.positions[0]), time=0.0)
    writing = Writing(
        surveys=tmp_path / "surveys",
        films={piece.name: "a"},
        folders={"a": "../elsewhere"},
        frames={piece.name: (one,)},
        said={},
        format="png",
        size=None,
    )
    with pytest.raises(ValueError, match="outside OUT"):
        writing(Source(piece.name, long), tmp_path / "out")
    assert not (tmp_path / "elsewhere").exists()


class Second:
    """Progress during which a second call wants the same OUT, once in each pass."""

    def __init__(self, film: Path, out: Path) -> None:
        self.film, self.out, self.told = film, out, list[str]()

    def begin(self, what: str, total: int, done: int) -> None:
        pass

    def advance(self, outcome: Outcome) -> None:
        with pytest.raises(DataError) as caught:
            frames(self.film, self.out, per_scene=2, force=True)
        self.told.append(str(caught.value))


@pytest.mark.parametrize("before", [False, True])
def test_a_second_call_gets_nothing_of_one_at_work(tmp_path: Path, before: bool) -> None:
    path, out = short(tmp_path / "a.mp4"), tmp_path / "out"
    if before:
        frames(path, out)
        short(path, scenes=3, seed=4)
    second = Second(path, out)
    frames(path, out, progress=second)
    told = f"another command is at work in {out}\n"
    assert len(second.told) == 3 and all(told in one for one in second.told)
    frames(path, tmp_path / "alone")
    assert content(out) == content(tmp_path / "alone")
    assert frames(path, out, per_scene=2, force=True).written > 2


def test_pieces_are_measured_as_the_whole_film_is(tmp_path: Path) -> None:
    fps = 8
    ends = [round(fps * (border + LEAD)) for border in (30, 60)]  # of what each piece gives figures of
    shots = [films.scene(seed, length, speed=0.1) for seed, length in enumerate((257, 252, 40))]
    for end in ends:  # there is a dissolve
        shots[:2] = [films.dissolve(shots[0][: end + 6], shots[1], 12)]
    path = films.film(tmp_path / "a.mkv", shots[0], fps=fps, gop_size=40)
    Surveying()(Source("a", path), tmp_path)
    film = survey(path)
    parts = pieces("a", film)
    whole = Piece("whole", int(film.positions[0]), None)
    task = Measuring(
        surveys=tmp_path,
        films={piece.name: "a" for piece in (*parts, whole)},
        parts={piece.name: piece for piece in (*parts, whole)},
    )
    outputs = [tmp_path / task(Source(piece.name, path), tmp_path).output for piece in (*parts, whole)]
    together, alone = load_figures(outputs[:-1]), load_figures(outputs[-1:])
    assert len(parts) == 3 and together.position.tolist() == film.positions.tolist()
    assert all(alone.blend[end - 2 : end].any() and alone.blend[end : end + 2].any() for end in ends)
    for name, values in attrs.asdict(alone).items():
        np.testing.assert_allclose(getattr(together, name), values, rtol=1e-6, atol=1e-9, err_msg=name)


def test_dark_frames_at_set_times_are_left_out(tmp_path: Path) -> None:
    bright = films.scene(0, 50)
    path = films.film(tmp_path / "a.mp4", [*bright, *[np.zeros_like(bright[0])] * 50], number=False)
    report = frames(path, tmp_path / "out", every=0.5)
    dark = [row for row in report.rows if float(row.figures["time"]) >= 2]
    assert report.counts == {"written": 4, "skipped": 4}
    assert all(row.reason.startswith("dark: ") and not row.output for row in dark) and len(dark) == 4
    assert len([*report.out.rglob("*.jpg")]) == 4


@pytest.mark.parametrize("left_out", ["positions", "keys", "facts"])
def test_a_damaged_survey_says_what_to_remove(done: Report, tmp_path: Path, left_out: str) -> None:
    path, out = film_of(done), copied(done, tmp_path / "out")
    [file] = (out / ".films").glob("*.npz")
    with np.load(file) as data:
        kept = {name: data[name] for name in data.files if name != left_out}
    np.savez_compressed(file, **kept)
    with pytest.raises(DataError, match="remove") as caught:
        frames(path, out)
    assert str(file) in str(caught.value)
    file.unlink()
    assert frames(path, out).counts == {"written": 2}
