"""The engine under the preparation verbs: what is done stays done, whatever stops it, and nothing else is touched."""

from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import fill, save
from tests.prepare_task import Copy
from toonforge.errors import DataError
from toonforge.prepare.engine import manifest, out_folder, stop, workers
from toonforge.prepare.engine import work as engine
from toonforge.prepare.engine.manifest import Row
from toonforge.prepare.engine.placing import NOTES
from toonforge.prepare.engine.sources import beside, pictures_below, with_targets
from toonforge.prepare.engine.task import Outcome, Source
from toonforge.prepare.engine.work import Report, work

ROOT = Path(__file__).parent.parent


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    fill(tmp_path / "photos", 5)
    fill(tmp_path / "photos/summer 😀", 3, ending=".JPG")
    return tmp_path / "photos"


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few files are worked on by processes too."""
    monkeypatch.setattr(engine, "FEW", -1)


def run(pictures: Path, out: Path | None = None, *, nap: float = 0.0, sure: object = 1, **more: Any) -> Report:
    out = out or beside(pictures, "copies")
    task = Copy(log=pictures.parent / "log.txt", nap=nap)
    return work("copy", pictures, pictures_below(pictures), task, out, {"sure": sure}, **more)


def logged(pictures: Path) -> list[str]:
    """What was worked on since the last time one asked."""
    log = pictures.parent / "log.txt"
    names = log.read_text("utf-8").splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return names


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


class StopAfter:
    """A progress that presses Ctrl-C after so many files."""

    def __init__(self, count: int) -> None:
        self.count, self.begun = count, (0, 0)
        if count == 0:
            self.begin = self._stop_at_once  # type: ignore[method-assign]

    def _stop_at_once(self, what: str, total: int, done: int) -> None:
        signal.raise_signal(signal.SIGINT)

    def begin(self, what: str, total: int, done: int) -> None:
        self.begun = (total, done)

    def advance(self, outcome: Outcome) -> None:
        self.count -= 1
        if self.count == 0:
            signal.raise_signal(signal.SIGINT)


# -- stopped and gone on with -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 4, 7, 8, *(pytest.param(n, marks=pytest.mark.soak) for n in (2, 3, 5, 6))])
def test_stopped_after_any_file_and_gone_on_with_equals_uninterrupted(
    pictures: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "MOMENT", 0.0)
    whole = run(pictures, pictures.parent / "whole")
    logged(pictures)
    first = run(pictures, progress=StopAfter(count))
    assert first.stopped == (count < 8) and len(first.rows) == min(count, 8)
    assert first.left == 8 - len(first.rows)
    second = run(pictures)
    assert sorted(logged(pictures)) == [source.name for source in pictures_below(pictures)]  # each once
    assert not second.stopped and second.rows == whole.rows
    assert contents(second.out) == contents(whole.out)


@pytest.mark.usefixtures("processes")
def test_any_number_of_workers_gives_the_same(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = [run(pictures, pictures.parent / str(count), workers=count) for count in (1, 3)]
    monkeypatch.setattr(engine, "FEW", 100)
    reports.append(run(pictures, pictures.parent / "here"))
    first, *others = reports
    assert all(other.rows == first.rows for other in others)
    assert all(contents(other.out) == contents(first.out) for other in others)


@pytest.mark.usefixtures("processes")
def test_workers_stopped_with_ctrl_c_lose_nothing(pictures: Path) -> None:
    first = run(pictures, workers=2, progress=StopAfter(3))
    assert first.stopped and 3 <= len(first.rows) < 8
    names = logged(pictures)
    second = run(pictures, workers=2)
    assert not second.stopped and len(second.rows) == 8
    assert not set(logged(pictures)) & {row.source for row in first.rows}
    assert set(names) >= {row.source for row in first.rows}


@pytest.mark.usefixtures("processes")
def test_a_file_that_takes_for_ever_does_not_hold_a_stop_up(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.2)
    save(pictures / "hangs.png")
    began = time.monotonic()
    assert run(pictures, workers=2, progress=StopAfter(8)).stopped
    assert time.monotonic() - began < 15


def test_done_files_are_left_alone(pictures: Path) -> None:
    first = run(pictures)
    before = contents(first.out)
    logged(pictures)
    second = run(pictures)
    assert logged(pictures) == [] and second == first and contents(first.out) == before


KILLED = """
import sys
from pathlib import Path
from tests.prepare_task import Copy
from toonforge.prepare.engine import work as engine
from toonforge.prepare.engine.sources import pictures_below

if __name__ == "__main__":
    engine.FEW = int(sys.argv[2])
    pictures = Path(sys.argv[1])
    task = Copy(log=pictures.parent / "log.txt", nap=0.1)
    out = pictures.with_name("photos-copies")
    engine.work("copy", pictures, pictures_below(pictures), task, out, {"sure": 1}, workers=2)
"""


@pytest.mark.parametrize("few", [-1, 100], ids=["processes", "here"])
def test_killed_half_way_loses_only_what_was_in_work(pictures: Path, few: int) -> None:
    whole = run(pictures, pictures.parent / "whole")
    logged(pictures)
    script = pictures.parent / "killed.py"
    script.write_text(KILLED, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen([sys.executable, str(script), str(pictures), str(few)], env=environment)
    out = beside(pictures, "copies")
    table = out / manifest.CSV
    deadline = time.monotonic() + 60
    while not table.is_file() or table.read_text("utf-8").count("\n") < 4:
        assert started.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    started.kill()
    started.wait()
    time.sleep(0.3)  # its processes notice
    done = {row.source for row in manifest.read(table, Copy.columns)[0]}
    assert 3 <= len(done) < 8
    for output, data in contents(out).items():
        assert (
            output.startswith(("manifest", NOTES)) or output.endswith(".partial") or data == whole_bytes(whole, output)
        )
    logged(pictures)
    second = run(pictures)
    assert not done & set(logged(pictures))
    assert second.rows == whole.rows and contents(out) == contents(whole.out)


def whole_bytes(report: Report, output: str) -> bytes:
    return (report.out / output).read_bytes()


# -- sources that change ----------------------------------------------------------------------------------------------


def test_changed_files_are_done_again_and_vanished_ones_are_forgotten(pictures: Path) -> None:
    first = run(pictures)
    logged(pictures)
    save(pictures / "picture00.png", 40, 50)
    (pictures / "picture01.png").unlink()
    os.utime(pictures / "picture02.png", ns=(1, 1))
    save(pictures / "new.png")
    (first.out / "kept/picture03.png").unlink()
    second = run(pictures)
    assert sorted(logged(pictures)) == ["new.png", "picture00.png", "picture02.png", "picture03.png"]
    assert "kept/picture01.png" not in contents(first.out)
    fresh = run(pictures, pictures.parent / "fresh")
    assert second.rows == fresh.rows and contents(second.out) == contents(fresh.out)


def test_what_was_made_of_files_that_are_gone_stays_until_it_is_pruned(pictures: Path) -> None:
    first = run(pictures, prune=False)
    (pictures / "picture01.png").unlink()
    (pictures / "summer 😀/picture02.JPG").unlink()
    before = contents(first.out / "kept")
    for _ in range(2):
        report = run(pictures, prune=False)
        assert report.rows == first.rows and contents(first.out / "kept") == before
        assert report.gone == ("picture01.png", "summer 😀/picture02.JPG") and (report.total, report.written) == (6, 8)
    (first.out / "kept/picture01.png").unlink()  # by the user: then its row says nothing any more
    assert run(pictures, prune=False).gone == ("summer 😀/picture02.JPG",)
    pruned = run(pictures, prune=True)
    assert pruned.gone == () and pruned.rows == run(pictures, pictures.parent / "fresh").rows
    assert contents(pruned.out) == contents(pictures.parent / "fresh")


def test_a_file_that_comes_back_is_done_as_it_is_then(pictures: Path) -> None:
    first = run(pictures, prune=False)
    file = pictures / "picture01.png"
    hidden = file.rename(pictures.parent / "hidden.png")
    run(pictures, prune=False)
    hidden.rename(file)
    logged(pictures)
    assert run(pictures, prune=False) == first and logged(pictures) == []


def test_a_function_says_what_is_pruned(pictures: Path) -> None:
    out = run(pictures).out
    for name in ("picture01.png", "picture02.png"):
        (pictures / name).unlink()
    report = run(pictures, prune=lambda row: row.source == "picture01.png")
    assert report.gone == ("picture02.png",) and "kept/picture01.png" not in contents(out)


def test_what_is_gone_gives_way_to_what_is_called_alike(tmp_path: Path) -> None:
    task, out = Named(log=tmp_path / "log.txt"), tmp_path / "out"

    def again() -> Report:
        sources = with_targets(pictures_below(tmp_path / "photos"), ".png")
        return work("copy", tmp_path / "photos", sources, task, out, {}, prune=False)

    save(tmp_path / "photos/beach.jpg")
    again()
    (tmp_path / "photos/beach.jpg").unlink()
    save(tmp_path / "photos/beach.png", 9, 9)
    report = again()
    assert [(row.source, row.output) for row in report.rows] == [("beach.png", "beach.png")] and report.gone == ()
    assert contents(out)["beach.png"] == (tmp_path / "photos/beach.png").read_bytes() and again() == report


def test_outputs_that_someone_else_changed_are_named_and_left_alone(pictures: Path) -> None:
    out = run(pictures).out
    (out / "kept/picture01.png").write_bytes(b"short")
    logged(pictures)
    for _ in range(2):
        report = run(pictures)
        assert report.changed == ("kept/picture01.png",) and logged(pictures) == []
    assert (out / "kept/picture01.png").read_bytes() == b"short"
    (out / "kept/picture01.png").unlink()
    assert run(pictures).changed == () and logged(pictures) == ["picture01.png"]


def test_workers_leave_with_a_parent_that_is_killed_whatever_they_are_at(tmp_path: Path) -> None:
    save(tmp_path / "photos/hangs.png")
    script = tmp_path / "killed.py"
    script.write_text(KILLED, "utf-8")
    started = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "photos"), "-1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,  # the workers have it too: it ends with the last of them
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "photos-copies/.hangs.png.partial").exists():
            assert started.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        started.kill()
        assert started.communicate(timeout=20) == (b"", None)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")], ids=["stopped", "full"])
def test_no_part_of_a_file_is_left_behind(pictures: Path, error: BaseException | type[BaseException]) -> None:
    out = beside(pictures, "copies")

    def finish(rows: tuple[Row, ...]) -> Iterable[Row]:
        (out / "kept/.page.html.partial").write_text("half", "utf-8")
        raise error

    with suppress(DataError):
        assert run(pictures, finish=finish).stopped
    assert out.is_dir() and not [name for name in contents(out) if name.endswith(".partial")]


def test_a_process_that_is_ended_leaves_no_part_behind(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FEW", -1)
    monkeypatch.setattr(workers, "GRACE", 0.2)
    save(pictures / "hangs.png")  # after it has begun to write
    report = run(pictures, workers=2, progress=StopAfter(8))
    assert report.stopped and not [name for name in contents(report.out) if name.endswith(".partial")]


def test_folders_that_become_empty_go_with_their_last_file(pictures: Path) -> None:
    out = run(pictures).out
    for file in (pictures / "summer 😀").iterdir():
        file.unlink()
    run(pictures)
    assert not (out / "kept/summer 😀").exists() and (out / "kept").is_dir()


def test_an_output_that_is_to_be_called_otherwise_is_made_anew(tmp_path: Path) -> None:
    save(tmp_path / "photos/beach.jpg")
    task = Copy(log=tmp_path / "log.txt")

    def again(out: Path) -> list[str]:
        sources = with_targets(pictures_below(tmp_path / "photos"), ".png")
        prefixed = [attrs.evolve(source, target=f"kept/{source.target}") for source in sources]
        rows = work("copy", tmp_path / "photos", prefixed, Named(log=task.log), out, {}).rows
        assert {row.output for row in rows} == {name for name in contents(out) if not name.startswith("manifest")}
        return [row.output for row in rows]

    assert again(tmp_path / "out") == ["kept/beach.png"]
    save(tmp_path / "photos/beach.png")
    assert again(tmp_path / "out") == again(tmp_path / "fresh") == ["kept/beach.jpg.png", "kept/beach.png.png"]
    (tmp_path / "photos/beach.jpg").unlink()
    assert again(tmp_path / "out") == ["kept/beach.png"]


@attrs.frozen(kw_only=True)
class Named(Copy):
    """Writes where the target says."""

    def __call__(self, source: Source, out: Path) -> Outcome:
        (out / source.target).parent.mkdir(exist_ok=True)
        (out / source.target).write_bytes(source.path.read_bytes())
        return Outcome(action="written", output=source.target)


def test_several_rows_of_one_file_are_one_piece_of_work(pictures: Path) -> None:
    save(pictures / "three.png")
    report = run(pictures)
    assert [row.reason for row in report.rows if row.source == "three.png"] == ["part 0", "part 1", "part 2"]
    logged(pictures)
    table = report.out / manifest.CSV
    lines = table.read_text("utf-8").splitlines(keepends=True)
    (cut,) = [number for number, line in enumerate(lines) if "part 1" in line]
    table.write_text("".join(lines[:cut]) + lines[cut][:9], "utf-8")
    assert run(pictures) == report
    assert "three.png" in logged(pictures)
    (report.out / "parts/three.png-1").unlink()
    assert run(pictures) == report and logged(pictures) == ["three.png"]


# -- bad files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("few", [-1, 100], ids=["processes", "here"])
def test_bad_files_are_named_and_tried_again_and_the_rest_goes_on(
    pictures: Path, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "FEW", few)
    (pictures / "bad.jpg").write_bytes(b"no picture")
    (pictures / "gone.jpg").symlink_to("nowhere")
    save(pictures / "odd.png")
    report = run(pictures, workers=2)
    assert report.counts == {"kept": 8, "unreadable": 2, "failed": 1}
    rows = {row.source: row for row in report.rows}
    assert "no picture of a known kind" in rows["bad.jpg"].reason
    assert rows["gone.jpg"].reason == "the file is missing, or a link that leads nowhere"
    assert rows["odd.png"].reason.startswith("ValueError: an odd one (prepare_task.py:")
    logged(pictures)
    save(pictures / "bad.jpg")
    assert run(pictures, workers=2).counts == {"kept": 9, "unreadable": 1, "failed": 1}
    assert sorted(logged(pictures)) == ["bad.jpg", "gone.jpg", "odd.png"]


@pytest.mark.usefixtures("processes")
def test_a_worker_that_dies_takes_one_file_with_it(pictures: Path) -> None:
    save(pictures / "dies.png")
    report = run(pictures, workers=2)
    assert report.counts == {"kept": 8, "failed": 1}
    (row,) = [row for row in report.rows if row.action == "failed"]
    assert row.source == "dies.png" and "SIGKILL" in row.reason


def test_a_file_that_kills_is_not_tried_in_this_process_again(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(pictures / "dies.png")
    monkeypatch.setattr(engine, "FEW", -1)
    first = run(pictures, workers=1)
    monkeypatch.setattr(engine, "FEW", 100)
    assert run(pictures, workers=1) == first


def test_after_a_call_that_did_not_end_no_file_is_tried_in_this_process(pictures: Path) -> None:
    save(pictures / "mend.png")
    with pytest.raises(DataError):
        run(pictures)
    (pictures / "mend.png").unlink()

    def process(name: str) -> object:
        save(pictures / name)
        (row,) = [row for row in run(pictures, workers=1).rows if row.source == name]
        return row.figures["width"]

    assert process("pid1.png") != os.getpid() == process("pid2.png")  # the one in between did


@pytest.mark.usefixtures("processes")
def test_workers_that_die_one_after_the_other_end_the_work(pictures: Path) -> None:
    for number in range(12):
        save(pictures / f"dies{number}.png")
    with pytest.raises(DataError, match="worker processes die"):
        run(pictures, workers=1)


UNGUARDED = """
from pathlib import Path
from tests.prepare_task import Copy
from toonforge.prepare.engine import work as engine
from toonforge.prepare.engine.sources import pictures_below

engine.FEW = -1
pictures = Path({pictures!r})
engine.work("copy", pictures, pictures_below(pictures), Copy(log=Path("log.txt")), Path("out"), {{}})
"""


def test_a_script_without_a_guard_is_told_so(pictures: Path) -> None:
    script = pictures.parent / "unguarded.py"
    script.write_text(UNGUARDED.format(pictures=str(pictures)), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        cwd=pictures.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1 and "if __name__ == '__main__':" in done.stderr


@pytest.mark.parametrize("few", [-1, 100], ids=["processes", "here"])
@pytest.mark.parametrize(("name", "message"), [("full.png", "No space left"), ("mend.png", "mend this")])
def test_what_the_user_must_mend_ends_the_work_and_loses_nothing(
    pictures: Path, few: int, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "FEW", few)
    save(pictures / name)
    with pytest.raises(DataError, match=message) as caught:
        run(pictures, workers=2)
    assert len(caught.value.problems) == 1
    if name == "full.png":
        assert "the same command again" in str(caught.value.problems[0].hint)
    before = {row.source for row in manifest.read(beside(pictures, "copies") / manifest.CSV, Copy.columns)[0]}
    (pictures / name).unlink()
    logged(pictures)
    assert run(pictures).counts == {"kept": 8}
    assert not before & set(logged(pictures))


def test_a_disk_that_is_full_for_the_manifest_leaves_it_as_it_was(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, real = [0], os.write

    def write(descriptor: int, data: bytes) -> int:
        if b"picture0" in data:
            written[0] += 1
            if written[0] == 3:
                return real(descriptor, data[:7])
            if written[0] > 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    # What is left of the third row holds its name no longer: the next attempt fails on the fourth.
    with pytest.raises(DataError, match="No space left"):
        run(pictures)
    monkeypatch.undo()
    table = beside(pictures, "copies") / manifest.CSV
    assert table.read_text("utf-8").endswith("\n")
    assert run(pictures).counts == {"kept": 8}


@pytest.mark.usefixtures("processes")
def test_workers_import_no_torch_and_use_one_thread(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"photos/pid{number}.png")
    rows = run(tmp_path / "photos", workers=1).rows
    assert {row.figures["note"] for row in rows} == {"threads=1"}
    (process,) = {row.figures["width"] for row in rows}
    assert process != os.getpid()


def test_few_files_start_no_process(tmp_path: Path) -> None:
    save(tmp_path / "photos/pid.png")
    (row,) = run(tmp_path / "photos").rows
    assert row.figures["width"] == os.getpid()


@pytest.mark.usefixtures("processes")
def test_no_process_is_left_behind(pictures: Path) -> None:
    import multiprocessing

    save(pictures / "mend.png")
    with pytest.raises(DataError):
        run(pictures, workers=2)
    assert multiprocessing.active_children() == []


def test_it_works_outside_the_main_thread(pictures: Path) -> None:
    reports: list[Report] = []
    thread = threading.Thread(target=lambda: reports.append(run(pictures)))
    thread.start()
    thread.join()
    assert reports[0].counts == {"kept": 8}


# -- folders that will not do -----------------------------------------------------------------------------------------


def refused(message: str, call: Callable[[], object]) -> None:
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert len(caught.value.problems) == 1 and caught.value.problems[0].hint


def test_out_in_source_or_source_in_out_is_refused(pictures: Path) -> None:
    before = contents(pictures)
    refused("lies in the folder", lambda: run(pictures, pictures / "out"))
    refused("holds the folder", lambda: run(pictures, pictures.parent))
    refused("is the folder", lambda: run(pictures, pictures))
    link = pictures.parent / "link"
    link.symlink_to(pictures)
    refused("is the folder", lambda: run(pictures, link))
    (pictures.parent / "out").mkdir()
    save(pictures.parent / "out/a.png")
    (pictures / "elsewhere").symlink_to(pictures.parent / "out")
    refused("is the folder", lambda: run(pictures, pictures.parent / "out"))
    (pictures / "elsewhere").unlink()
    assert contents(pictures) == before


def test_a_strangers_folder_or_file_is_refused(pictures: Path) -> None:
    out = pictures.parent / "out"
    save(out / "mine.png")
    for force in (False, True):
        refused("(?s)did not write.*mine.png, and no", lambda force=force: run(pictures, out, force=force))  # type: ignore[misc]
    for hidden in (".git", ".x.partial"):
        (pictures.parent / "hidden" / hidden).mkdir(parents=True)
        refused("did not write", lambda: run(pictures, pictures.parent / "hidden"))
        (pictures.parent / "hidden" / hidden).rmdir()
    (pictures.parent / "hidden/.DS_Store").write_bytes(b"")
    assert run(pictures, pictures.parent / "hidden").counts == {"kept": 8}
    (out / manifest.JSON).write_text("{", "utf-8")
    refused("cannot be read", lambda: run(pictures, out, force=True))
    (out / manifest.JSON).write_text('{"format": 1, "verb": "other", "settings": {}}', "utf-8")
    refused("written by: other", lambda: run(pictures, out, force=True))
    file = pictures.parent / "file"
    file.write_text("mine", "utf-8")
    refused("cannot be written", lambda: run(pictures, file))
    refused("cannot be written", lambda: run(pictures, file / "below"))
    assert (out / "mine.png").is_file() and file.read_text("utf-8") == "mine"


def test_a_folder_that_may_not_be_made_is_refused(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    refused("Permission denied", lambda: run(pictures))


def test_other_settings_are_refused_and_forced(pictures: Path) -> None:
    first = run(pictures)
    refused("other settings: sure was 1, and is 2 now", lambda: run(pictures, sure=2))
    (first.out / "kept/mine.txt").write_text("mine", "utf-8")
    logged(pictures)
    second = run(pictures, sure=2, force=True)
    assert len(logged(pictures)) == 8 and second.rows == first.rows
    assert (first.out / "kept/mine.txt").read_text("utf-8") == "mine"


def test_another_source_is_refused_but_one_that_moved_is_not(pictures: Path) -> None:
    out = run(pictures).out
    other = fill(pictures.parent / "other", 2)
    refused("other settings", lambda: run(other, out))
    moved = pictures.rename(pictures.with_name("moved"))
    logged(moved)
    assert run(moved, out).counts == {"kept": 8} and logged(moved) == []


def test_two_at_once_are_refused(pictures: Path) -> None:
    class Second:
        tried = False

        def begin(self, what: str, total: int, done: int) -> None:
            refused("at work", lambda: run(pictures))
            self.tried = True

        def advance(self, outcome: Outcome) -> None: ...

    second = Second()
    assert run(pictures, progress=second).counts == {"kept": 8} and second.tried


# -- manifests that lie -----------------------------------------------------------------------------------------------

HOSTILE = [
    "../precious.txt",
    "kept/../../precious.txt",
    "{root}/precious.txt",
    "link/precious.txt",
    "/etc/passwd",
    "..",
    ".",
    "kept",
    "C:\\x",
    "kept/\0",
]


@pytest.mark.parametrize("force", [False, True])
def test_nothing_outside_out_is_removed_whatever_the_manifest_says(pictures: Path, force: bool) -> None:
    precious = pictures.parent / "elsewhere/precious.txt"
    precious.parent.mkdir()
    for file in (precious, pictures.parent / "precious.txt"):
        file.write_text("precious", "utf-8")
    out = run(pictures).out
    (pictures.parent / "out-link").symlink_to(out)
    before = contents(pictures)
    with (out / manifest.CSV).open("a", encoding="utf-8", newline="") as file:
        for number, output in enumerate(HOSTILE):
            path = output.replace("{root}", str(pictures.parent)).replace("\0", "")
            csv.writer(file).writerow([f"gone{number}.png", "kept", path, "", 1, 1, 1, ""])
        csv.writer(file).writerow(["torn", "kept"])
        csv.writer(file).writerow(["gone.png", "kept", str(pictures / "picture00.png"), "", 1, 1, 1, ""])
        csv.writer(file).writerow(["gone.png", "kept", "../photos/picture00.png", "", "many", 1, 1, ""])
    report = run(pictures, pictures.parent / "out-link", force=force, sure=2 if force else 1)
    assert report.counts == {"kept": 8} and contents(pictures) == before
    assert precious.read_text("utf-8") == (pictures.parent / "precious.txt").read_text("utf-8") == "precious"


def test_nothing_is_removed_through_a_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for file in (elsewhere / "precious.txt", elsewhere / "deep/precious.txt", out / "kept/mine.txt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("precious", "utf-8")
    (out / "link").symlink_to(elsewhere)
    (out / "kept/file").symlink_to(elsewhere / "precious.txt")
    (tmp_path / "out-link").symlink_to(out)
    before = contents(elsewhere)
    outputs = ["link/precious.txt", "link/deep/precious.txt", "kept/../link/precious.txt", "kept/file", "kept/mine.txt"]
    out_folder.remove(tmp_path / "out-link", outputs)
    assert contents(elsewhere) == before
    assert [entry.name for entry in out.iterdir()] == ["link"]  # what is ours is gone, the link to a file itself too


def test_a_link_in_out_is_not_written_through(pictures: Path) -> None:
    out = run(pictures).out
    elsewhere = pictures.parent / "elsewhere"
    (out / "kept").rename(elsewhere)
    (out / "kept").symlink_to(elsewhere)
    before = contents(elsewhere)
    for force in (False, True):
        refused("did not write", lambda force=force: run(pictures, force=force, sure=2))  # type: ignore[misc]
    assert contents(elsewhere) == before


def test_a_manifest_with_other_columns_is_refused_and_forced(pictures: Path) -> None:
    out = run(pictures).out
    (out / manifest.CSV).write_text("source,output\na,../../x\n", "utf-8")
    refused("other columns", lambda: run(pictures))
    assert run(pictures, force=True).counts == {"kept": 8}


ROWS = st.builds(
    Row,
    source=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    action=st.sampled_from(["kept", "aside"]),
    output=st.sampled_from(["", "kept/a b.png", "kept/ä\n😀.png"]),
    reason=st.sampled_from(["", "blurred: sharpness 41, less than 60", 'so "they" say; ja']),
    bytes=st.integers(0, 2**62),
    modified=st.integers(0, 2**62),
    figures=st.fixed_dictionaries(
        {"width": st.integers(), "note": st.one_of(st.floats(), st.sampled_from(["", "00ff", "1e5", "a,b", "1_0"]))}
    ),
)


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=5), st.data())
def test_a_manifest_reads_back_and_a_torn_one_loses_no_more_than_its_last_source(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("manifest") / manifest.CSV
    manifest.write(path, rows, Copy.columns)
    found, whole = manifest.read(path, Copy.columns)
    assert whole and as_text(found) == as_text(rows)
    written = path.read_bytes()
    header = written.index(b"\n") + 1
    path.write_bytes(written[: data.draw(st.integers(header, len(written)))])
    found, _ = manifest.read(path, Copy.columns)
    assert as_text(found) == as_text(rows[: len(found)])


def as_text(rows: Iterable[Row]) -> list[str]:
    """Rows to be compared: NaN equals nothing."""
    return [str(attrs.evolve(row, figures=sorted(row.figures.items()))) for row in rows]  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["", "0", "-3", "1.5", "007", "1e3", "00ff", "nan", "1_000", " 1", "deadbeef"])
def test_text_of_a_figure_stays_what_it_was(value: str) -> None:
    assert manifest.text(manifest.parse(value)) == value


@given(st.text())
def test_words_are_on_one_line_and_say_what_was_there(words: str) -> None:
    written = manifest.one_line(words)
    assert len(written.splitlines()) <= 1 and not set(written) & {"\t", "\x1b", "\0", "\x9b"}
    if words.isprintable():
        assert written == words
    assert manifest.one_line("a\nb\t\x1b[31m") == r"a\nb\t\x1b[31m"


def test_numpys_numbers_are_written_like_pythons() -> None:
    import numpy as np

    values = [np.float32(0.5), np.float64(0.1), np.int64(7), True]
    assert [manifest.text(value) for value in values] == ["0.5", "0.1", "7", "yes"]


# -- a second pass ----------------------------------------------------------------------------------------------------


def test_a_second_pass_decides_and_what_no_row_names_is_removed(pictures: Path) -> None:
    def finish(rows: tuple[Row, ...]) -> Iterable[Row]:
        assert [row.source for row in rows] == sorted(row.source for row in rows)
        for row in rows[:2]:
            target = pictures.parent / "photos-copies/aside" / row.source
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"")
            yield attrs.evolve(row, action="aside", output=f"aside/{row.source}", reason="one of the first two")

    first = run(pictures, finish=finish)
    assert first.counts == {"kept": 6, "aside": 2}
    assert sorted(contents(first.out / "aside")) == ["picture00.png", "picture01.png"]
    assert len(contents(first.out / "kept")) == 6
    logged(pictures)
    assert run(pictures, finish=finish) == first and logged(pictures) == []


def test_a_second_pass_that_is_stopped_is_done_by_the_next_call(pictures: Path) -> None:
    def stopped(rows: tuple[Row, ...]) -> Iterable[Row]:
        signal.raise_signal(signal.SIGINT)
        return []

    report = run(pictures, finish=stopped)
    assert report.stopped and report.left == 0
    logged(pictures)
    assert not run(pictures, finish=lambda rows: []).stopped and logged(pictures) == []


# -- names ------------------------------------------------------------------------------------------------------------

NAMES = st.lists(
    st.sampled_from(["a", "A", "b", "a.png", "a.jpg"]).flatmap(
        lambda stem: st.sampled_from([".png", ".jpg", ".PNG", ".jpg.png"]).map(lambda ending: stem + ending)
    ),
    unique=True,
    min_size=1,
)


@given(NAMES, st.sampled_from(["", "a.png/", "B/"]), st.randoms())
def test_no_two_outputs_meet_whatever_the_order(names: list[str], folder: str, rng: Any) -> None:
    sources = [Source(folder * (number % 2) + name, Path(name)) for number, name in enumerate(names)]
    targets = {source.name: source.target for source in with_targets(sources, ".png")}
    keys = [target.casefold() for target in targets.values()]
    assert len(set(keys)) == len(names)
    assert not any(other.startswith(f"{key}/") for key in keys for other in keys)
    rng.shuffle(sources)
    assert {source.name: source.target for source in with_targets(sources, ".png")} == targets


def test_names_that_do_not_meet_keep_their_stem() -> None:
    names = ["beach.JPG", "summer/beach.png", "a.b.gif"]
    targets = [source.target for source in with_targets([Source(name, Path(name)) for name in names], ".png")]
    assert targets == ["beach.png", "summer/beach.png", "a.b.png"]


def test_names_that_are_no_text_are_worked_on_too(pictures: Path) -> None:
    raw = os.fsencode(pictures) + b"/\xff\xfe.png"
    save(pictures / "C:\\back\nslash.png")
    with open(raw, "wb") as file:
        file.write((pictures / "picture00.png").read_bytes())
    report = run(pictures)
    assert report.counts == {"kept": 10}
    assert (report.out / manifest.CSV).read_bytes().decode("utf-8").count("udcff") == 2
    logged(pictures)
    assert run(pictures) == report and logged(pictures) == []


def test_the_folder_beside_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert beside(Path("a/photos/"), "x") == Path("a/photos-x")
    assert beside(Path("."), "x") == tmp_path.with_name(f"{tmp_path.name}-x")
    with pytest.raises(DataError):
        beside(Path("/"), "x")
