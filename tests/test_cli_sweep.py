"""`toonforge sweep`: exit codes, headers, processes of their own, and the comparison on terminals of any width."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.test_sweep import RECIPE, Stop
from toonforge.cli import main
from toonforge.cli.sweep_process import Processes, outcome, start
from toonforge.sweeps.api import Here
from toonforge.sweeps.work import Outcome

GRID = ["--grid", "train.seed=0,1", "--cpu"]


@pytest.fixture
def recipe(tmp_path: Path, tiny: None, undrawn: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs are trained in this process: a process of their own knows nothing of the tiny components."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(RECIPE, "utf-8")
    here(monkeypatch, Here(cpu=True))
    return "small.toml"


def here(monkeypatch: pytest.MonkeyPatch, trainer: Here) -> None:
    def train(self: Processes, run: Any, number: int, folder: Path, resume: bool, lock: int | None) -> Outcome:
        self._head(run, number)
        return trainer.train(run, number, folder, resume, lock)

    monkeypatch.setattr(Processes, "train", train)


def test_each_run_has_a_header_and_the_end_compares_them(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", recipe, *GRID]) == 0
    out, err = capsys.readouterr()
    assert "1 of 2: seed=0" in err and "2 of 2: seed=1" in err
    assert (
        "small: 2 of 2 runs finished" in out
        and "change ↓" in out
        and "comparison: sweeps/small/compare.html" in out
        and "table.md" in out
    )
    assert "\x1b" not in out + err
    assert Path("sweeps/small/seed=1/resolved.toml").is_file()


def test_a_sweep_goes_where_it_is_told(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", recipe, *GRID, "--name", "seeds"]) == 0
    assert main(["sweep", recipe, *GRID, "--out", "elsewhere/here"]) == 0
    assert Path("sweeps/seeds/table.md").is_file() and Path("elsewhere/here/table.md").is_file()
    out = capsys.readouterr().out
    assert "seeds: 2 of 2 runs finished" in out and "here: 2 of 2 runs finished" in out and "small:" not in out
    assert main(["sweep", recipe, *GRID, "--name", "../up"]) == 2
    assert main(["sweep", recipe, *GRID, "--name", "seeds"]) == 2
    assert "--resume" in capsys.readouterr().err


@pytest.mark.parametrize("again", ["folder", "recipe"])
def test_ctrl_c_stops_the_sweep_and_a_resume_ends_it(
    recipe: str, again: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch, Here([Stop(at=2)], cpu=True))
    assert main(["sweep", recipe, *GRID]) == 130
    out = capsys.readouterr().out
    assert "next: toonforge sweep sweeps/small --resume" in out and "waiting" in out
    here(monkeypatch, Here(cpu=True))
    words = ["sweeps/small", "--cpu"] if again == "folder" else [recipe, *GRID]
    assert main(["sweep", *words, "--resume"]) == 0
    assert main(["sweep", *words, "--resume"]) == 0
    out, err = capsys.readouterr()
    assert "1 of 2: seed=0: finished already" in err
    assert "2 of 2 runs finished" in out and "next:" not in out


def test_a_sweeps_folder_is_continued_only_as_it_is(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", recipe, *GRID]) == 0
    assert main(["sweep", "sweeps/small"]) == 2
    assert main(["sweep", "sweeps/small", "--resume", *GRID]) == 2
    assert main(["sweep", "sweeps/small", "--resume", "--set", "train.steps=9"]) == 2
    assert main(["sweep", "sweeps/small", "--resume", "--name", "other"]) == 2
    assert capsys.readouterr().err.count("toonforge sweep sweeps/small --resume") == 4


def test_failed_runs_decide_the_exit_code(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", recipe, "--grid", "phases.generators.losses.same.weight=1e39,1.0", "--cpu"]) == 2
    out = capsys.readouterr().out
    assert "1 of 2 runs finished" in out and "failed" in out and "infinite" in out and "tries failed runs again" in out
    monkeypatch.setattr(Processes, "train", lambda *given: Outcome(problem="killed", ours=True))
    assert main(["sweep", recipe, *GRID, "--out", "other"]) == 1


def test_torchrun_is_told_how_to_do_it(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["sweep", recipe, *GRID]) == 2
    assert "--processes" in capsys.readouterr().err


def test_one_run_reports_what_ended_it(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", recipe, "--cpu", "--set", "phases.generators.losses.same.weight=1e39", "--out", "run"]
    assert main([*words, "--one", "problem.json"]) == 2
    assert "infinite" in json.loads(Path("problem.json").read_text("utf-8"))
    assert main(["sweep", recipe, "--cpu", "--out", "other", "--one", "nothing.json"]) == 0
    assert not Path("nothing.json").exists()
    assert "finished after step 4" in capsys.readouterr().out


def test_exit_codes_and_signals_of_a_run_mean_what_they_mean() -> None:
    assert outcome(0, None) == Outcome()
    assert outcome(130, None) == Outcome(stopped=True)
    assert outcome(0, None, asked=True) == Outcome(stopped=True)
    assert outcome(2, "too large") == Outcome(problem="too large")
    assert outcome(1, "KeyError: a") == Outcome(problem="KeyError: a", ours=True)
    killed = outcome(-signal.SIGKILL, None)
    assert killed.ours and killed.problem is not None and "out of memory" in killed.problem


def test_the_process_of_a_run_is_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert start(["--version"], None) == (0, False)
    assert start(["check", "nothing.toml"], None) == (2, False)
    assert signal.getsignal(signal.SIGINT) is before
    assert "toonforge" in capfd.readouterr().out


REAL = """
name = "real"
[data]
type = "samples/photo-cartoon"
cartoon_field = "anime"
image_size = 32
[generators]
G = { type = "cyclegan/unet", width = 4, levels = 2 }
[phases.generators]
updates = ["G"]
[phases.generators.losses]
same = { type = "l1", input = "G(photo)", target = "photo" }
[train]
steps = 40
log = { every = 1 }
[translations]
anime = "G(photo)"
"""


def test_processes_of_their_own_are_stopped_continued_and_compared(
    tmp_path: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "real.toml").write_text(REAL, "utf-8")
    words = [sys.executable, "-m", "toonforge", "sweep", "real.toml", "--grid", "train.seed=0,1", "--cpu"]
    log = tmp_path / "sweeps/real/seed=0/metrics.jsonl"
    started = subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not log.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    out, _ = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "next: toonforge sweep sweeps/real --resume" in out and out.count("next:") == 1
    assert not (tmp_path / "sweeps/real/seed=1").exists()
    monkeypatch.chdir(tmp_path)
    alone = Processes.train

    def train(self: Processes, run: Any, number: int, *more: Any) -> Outcome:
        if number == 1:
            return alone(self, run, number, *more)
        self._head(run, number)  # one process that goes on is enough to see it
        return Here(cpu=True).train(run, number, *more)

    monkeypatch.setattr(Processes, "train", train)
    assert main(["sweep", "sweeps/real", "--resume", "--cpu"]) == 0
    resumed = capfd.readouterr()
    assert "2 of 2: seed=1" in resumed.err and "2 of 2 runs finished" in resumed.out
    assert (tmp_path / "sweeps/real/grid-anime.jpg").is_file()


REFUSED = {
    "--grid: train.steps: out": ["--grid", "train.steps=0,1"],
    "--grid: train.stepz": ["--grid", "train.stepz=1"],
    "not a grid": ["--grid", "train.steps"],
    "nothing varies": [],
    "is no sweep": ["--grid", "train.steps=1,2", "--out", "full"],
    "no sweep to resume": ["--grid", "train.steps=1,2", "--resume"],
}


def test_what_can_be_refused_is_refused_without_torch_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text(REAL, "utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("")
    before = sorted(tmp_path.rglob("*"))
    code = (
        "import sys; from toonforge.cli import main\n"
        f"for words in {list(REFUSED.values())!r}:\n"
        "    print(main(['sweep', 'real.toml', *words]), flush=True); print('=====', file=sys.stderr, flush=True)\n"
        "sys.exit(90 if {'torch', 'rich'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.split() == ["2"] * len(REFUSED), done.stderr
    *told, _ = done.stderr.split("=====")
    for said, text in zip(REFUSED, told, strict=True):
        assert said in " ".join(text.split())
    assert sorted(tmp_path.rglob("*")) == before
