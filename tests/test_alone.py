"""One training at a time in a run's folder, whoever asks; what was killed or left a file behind holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_engine_equality import CYCLEGAN
from toonforge import events
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.errors import Problem, RunError
from toonforge.plugins.hookspecs import hookimpl
from toonforge.runs.alone import LOCK, alone, refuse_held
from toonforge.runs.folder import RunFolder
from toonforge.train.trainer import train

HOLD = (
    "import sys, time, pathlib\nfrom toonforge.runs.alone import alone\n"
    "with alone(pathlib.Path(sys.argv[1]), None):\n    print('held', flush=True)\n    time.sleep(60)\n"
)


def busy(holder: str) -> Problem:
    return Problem(message="busy", found=holder)


def is_held(folder: Path) -> bool:
    try:
        refuse_held(folder, busy)
    except RunError:
        return True
    return False


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds a folder."""
    started = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None and started.stdout.readline() == "held\n"
    return started


def test_a_second_process_is_refused_and_told_who_holds_the_folder_until_that_is_killed(tmp_path: Path) -> None:
    other = holder(tmp_path)
    try:
        for ask in (lambda: refuse_held(tmp_path, busy), lambda: alone(tmp_path, busy).__enter__()):
            with pytest.raises(RunError, match=f"found: *{other.pid}"):
                ask()
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    refuse_held(tmp_path, busy)
    with alone(tmp_path, busy):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_a_file_left_behind_holds_nothing_and_asking_makes_none(tmp_path: Path) -> None:
    refuse_held(tmp_path, busy)
    assert not (tmp_path / LOCK).exists()
    (tmp_path / LOCK).write_text("1\n")
    assert not is_held(tmp_path)
    with alone(tmp_path, busy):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_a_worker_that_outlives_its_process_does_not_hold_the_folder(tmp_path: Path) -> None:
    with alone(tmp_path, busy):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        time.sleep(0.2)
        assert is_held(tmp_path)
    try:
        assert not is_held(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_run_that_is_being_trained_is_not_trained_by_another(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train="log.every = 1\ncheckpoint.every = 1"))
    said = []

    class Second:
        @hookimpl
        def step_finished(self, run: events.RunInfo, step: events.Step) -> None:
            for resume in (True, False):
                with pytest.raises(RunError, match="is being trained by another process") as refused:
                    train(recipe, folder=run.folder, resume=resume, cpu=True)
                said.append(str(refused.value))

    assert train(recipe, folder=tmp_path / "run", cpu=True, listeners=[Second()]).reason == "done"
    assert len(said) == 12 and all(f"another process ({os.getpid()})" in text for text in said)
    steps = [line for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines() if '"step"' in line]
    assert len(steps) == len(set(steps))
    assert train(recipe, folder=tmp_path / "run", resume=True, cpu=True).reason == "done"


def test_the_command_line_refuses_before_pytorch_is_loaded(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    train(recipe, folder=Path("run"), cpu=True)
    monkeypatch.setattr("toonforge.cli.run.train", lambda *_: pytest.fail("PyTorch would be loaded"))
    other = holder(Path("run"))
    try:
        for words in (["run", "--resume"], ["run/resolved.toml", "--out", "run"], ["run", "--resume", "--processes=2"]):
            assert main(["run", *words]) == 2
            told = capsys.readouterr().err
            assert f"run is being trained by another process ({other.pid})" in told
    finally:
        other.kill()
        other.communicate()


def test_a_folder_that_holds_nothing_but_the_lock_is_a_run_not_begun(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.alone(resume=False):
        folder.refuse(resume=False)
    folder.refuse(resume=False)
    (tmp_path / "run/mine.txt").touch()
    with pytest.raises(RunError, match="is there already"):
        folder.refuse(resume=False)
