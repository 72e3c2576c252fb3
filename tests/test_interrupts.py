"""Signals and lost readers, with real processes: however a stop is asked for, it is one request, and the run is saved.

Most processes are forked from here, to begin at once; where one starts or ends as a whole, it does so with its own Python.
More of them, at random moments too, are in the soak: `pytest -m soak tests/test_interrupts.py`.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.forks import Forked
from tests.test_cli_sweep import REAL
from toonforge.cli import processes, sweep_process
from toonforge.cli.going_on import NOTHING_LOST
from toonforge.cli.output import Lasting, lasting
from toonforge.train import stopping
from toonforge.train.insisting import MOMENT
from toonforge.train.stopping import Stopping
from toonforge.train.trainer import Trainer

TOONFORGE = [sys.executable, "-m", "toonforge"]
RUN = [*TOONFORGE, "run", "real.toml", "--cpu", "--out", "run"]
SWEEP = [*TOONFORGE, "sweep", "real.toml", "--grid", "train.seed=0,1", "--cpu", "--out", "sweep"]
PATIENCE = 300
"""Seconds within which anything comes that comes at all: cores may be shared with many others."""
Process = Forked | subprocess.Popen[bytes]
Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a command in a process group of its own, which is ended with the test; `anew` with a Python of its own."""
    (tmp_path / "real.toml").write_text(REAL.replace("steps = 40", "steps = 20000"), "utf-8")
    started: list[Process] = []
    for module in (processes, sweep_process):  # what is forked starts its processes in the same way
        monkeypatch.setattr(module, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": Forked}))

    def begin(words: list[str], anew: bool = False, **more: Any) -> Process:
        given: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "OMP_NUM_THREADS": "1"}, **more}
        kind: Any = subprocess.Popen if anew else Forked
        started.append(kind(words, stdin=subprocess.DEVNULL, start_new_session=True, **given))
        return started[-1]

    yield begin
    for one in started:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()


def await_steps(folder: Path, started: Process, steps: int = 3) -> None:
    log, deadline = folder / "metrics.jsonl", time.monotonic() + PATIENCE
    while not log.is_file() or log.read_text("utf-8").count("\n") < steps:
        assert started.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def await_text(path: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.is_file() or text not in path.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def saved(folder: Path) -> bool:
    """Whether the newest checkpoint is of the last step that was trained."""
    ends = [line for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines() if '"interrupted"' in line]
    latest = folder / "checkpoints/latest"
    return len(ends) == 1 and latest.is_file() and (folder / "checkpoints" / latest.read_text().strip()).is_dir()


# -- nobody reads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [pytest.param("stdout", marks=pytest.mark.soak), "both"])
def test_ctrl_c_saves_a_run_whose_reader_it_ends_too(tmp_path: Path, start: Start, streams: str) -> None:
    """As in `toonforge run R 2>&1 | tee log`."""
    errors = tmp_path / "errors.txt"
    with errors.open("wb") as file:
        ours = start(RUN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if streams == "both" else file)
    await_steps(tmp_path / "run", ours)
    assert ours.stdout is not None
    ours.stdout.close()
    os.killpg(ours.pid, signal.SIGINT)
    assert ours.wait(PATIENCE) == 130
    assert saved(tmp_path / "run")
    assert "BrokenPipe" not in errors.read_text("utf-8")


def test_a_run_without_a_reader_trains_to_its_end(tmp_path: Path, start: Start) -> None:
    ours = start([*RUN, "--set", "train.steps=5"], anew=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert ours.stdout is not None
    ours.stdout.close()
    assert ours.wait(PATIENCE) == 0
    assert (tmp_path / "run/checkpoints/latest").read_text().strip() == "step-000005"


@pytest.mark.soak
def test_a_sweep_without_a_reader_is_stopped_as_any_other(tmp_path: Path, start: Start) -> None:
    ours = start(SWEEP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    await_steps(tmp_path / "sweep/seed=0", ours)
    assert ours.stdout is not None
    ours.stdout.close()
    os.killpg(ours.pid, signal.SIGINT)
    assert ours.wait(PATIENCE) == 130
    assert saved(tmp_path / "sweep/seed=0")
    assert "failed" not in (tmp_path / "sweep/table.md").read_text("utf-8")


class Refusing(io.StringIO):
    """Refuses what is written, and counts how often."""

    tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise BrokenPipeError


def test_a_stream_is_silent_after_the_first_refusal() -> None:
    refusing = Refusing()
    stream = Lasting(refusing)
    assert [stream.write("one"), stream.write("more")] == [3, 4]
    stream.writelines(["a", "b"])
    stream.flush()
    assert refusing.tried == 1


def test_the_live_display_outlives_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console
    from rich.live import Live

    monkeypatch.setattr(sys, "stderr", Refusing())
    with lasting(), Live("step 1", console=Console(file=sys.stderr, force_terminal=True)) as live:
        live.update("step 2", refresh=True)
        print("beside it", file=sys.stderr)


def test_what_is_written_arrives_and_the_streams_are_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with lasting():
        print("results")
        print("progress", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("results\n", "progress\n")


def test_closed_streams_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with lasting():
        assert not sys.stderr.isatty()
        print("progress", file=sys.stderr)


# -- as it starts, waits, measures and ends ---------------------------------------------------------------------------


def assert_leaves_while_starting(tmp_path: Path, start: Start, number: signal.Signals, seconds: float) -> None:
    """A signal so long after the first sign of life: one word, no traceback, and it can be begun or resumed after."""
    errors = tmp_path / "errors.txt"
    with errors.open("wb") as file:
        ours = start(RUN, anew=True, stdout=subprocess.DEVNULL, stderr=file)
    await_text(errors, "loading PyTorch")
    time.sleep(seconds)
    ours.send_signal(number)
    assert ours.wait(PATIENCE) == 130
    said = errors.read_text("utf-8")
    assert "Traceback" not in said and "Exception ignored" not in said and "internal error" not in said
    assert said.rstrip().endswith(NOTHING_LOST) or saved(tmp_path / "run")


def test_a_signal_while_a_run_starts_is_no_error(tmp_path: Path, start: Start) -> None:
    assert_leaves_while_starting(tmp_path, start, signal.SIGTERM, 0.3)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("tenths", range(0, 40, 2))
def test_a_signal_at_any_moment_of_a_start_is_no_error(
    tmp_path: Path, start: Start, number: signal.Signals, tenths: int
) -> None:
    assert_leaves_while_starting(tmp_path, start, number, tenths / 10)


# -- one request ----------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets what is started then take so many seconds to save, as for large networks on a slow disk."""
    save = Trainer._save

    def make(seconds: float) -> None:
        def slowly(self: Trainer) -> None:
            (tmp_path / "saving").write_text("saving")
            time.sleep(seconds)
            save(self)

        monkeypatch.setattr(Trainer, "_save", slowly)

    return make


PROCESSES = [*RUN, "--processes", "2", "--set", "train.batch_size=2"]


@pytest.mark.parametrize(
    ("words", "number"),
    [
        pytest.param(RUN, signal.SIGINT, id="run", marks=pytest.mark.soak),
        pytest.param(PROCESSES, signal.SIGTERM, id="processes"),
        pytest.param(SWEEP, signal.SIGINT, id="sweep"),
        pytest.param(RUN, signal.SIGTERM, id="run-term", marks=pytest.mark.soak),
        pytest.param(PROCESSES, signal.SIGINT, id="processes-int", marks=pytest.mark.soak),
        pytest.param(SWEEP, signal.SIGTERM, id="sweep-term", marks=pytest.mark.soak),
    ],
)
def test_a_signal_to_the_group_is_one_request(
    tmp_path: Path, start: Start, slow: Callable[[float], None], words: list[str], number: signal.Signals
) -> None:
    """Sent to the command, then to its group, as `timeout` does it; the copies reach a run that is saving already."""
    folder = tmp_path / ("sweep/seed=0" if words is SWEEP else "run")
    slow(1.0)
    ours = start(words)
    await_steps(folder, ours)
    ours.send_signal(number)
    time.sleep(MOMENT / 4)
    os.killpg(ours.pid, number)
    assert ours.wait(PATIENCE) == 130
    assert saved(folder)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.soak), signal.SIGTERM])
def test_a_signal_to_the_group_does_not_end_the_processes_that_load_pictures(
    tmp_path: Path, start: Start, number: signal.Signals
) -> None:
    ours = start([*RUN, "--set", "train.workers=1"])
    await_steps(tmp_path / "run", ours)
    os.killpg(ours.pid, number)
    assert ours.wait(PATIENCE) == 130
    assert saved(tmp_path / "run")


@pytest.mark.parametrize("words", [RUN, pytest.param(SWEEP, marks=pytest.mark.soak)], ids=["run", "sweep"])
def test_a_deliberate_second_ctrl_c_leaves_at_once(
    tmp_path: Path, start: Start, slow: Callable[[float], None], words: list[str]
) -> None:
    with (tmp_path / "errors.txt").open("wb") as file:
        slow(100.0)
        ours = start(words, stderr=file)
    await_steps(tmp_path / ("sweep/seed=0" if words is SWEEP else "run"), ours)
    os.killpg(ours.pid, signal.SIGINT)
    await_text(tmp_path / "saving", "saving")  # the first one is heeded
    time.sleep(2 * MOMENT)
    assert ours.poll() is None
    os.killpg(ours.pid, signal.SIGINT)
    assert ours.wait(PATIENCE) == 130
    said = (tmp_path / "errors.txt").read_text("utf-8").split("leave at once)\n")[1]
    how = "" if words is SWEEP else " with: toonforge run run --resume"
    assert said == f"left at once: without a checkpoint yet, so it goes on from step 0{how}\n"


def test_a_signal_after_an_error_leaves_with_its_code_and_without_a_further_word(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from toonforge.cli import main
sys.argv[1:] = ["run", "nothing.toml"]
main()
os.kill(os.getpid(), signal.SIGTERM)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "stopped" not in done.stderr, done.stderr


@pytest.mark.parametrize("moment", ["at the exit", "after it"])
def test_a_signal_once_all_is_said_changes_no_exit_code(moment: str) -> None:
    """Where Python gives up its handlers, the signal itself would end it."""
    code = """
import atexit, os, signal
from toonforge.cli import leaving
def ask(kill=os.kill, process=os.getpid()):
    for number in (2, 15):
        kill(process, number)
class Late:
    def __del__(self, ask=ask):
        ask()
leaving.at_once()
leaving.ends(7)
"""
    code += "atexit.register(ask)\n" if moment == "at the exit" else "import sys\nsys.late = Late()\n"
    done = subprocess.run([sys.executable, "-c", code + "raise SystemExit(7)"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")


def test_signals_within_a_moment_are_one_and_later_ones_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "MOMENT", 0.5)
    told: list[int] = []
    ours = Stopping(lambda: told.append(1))
    with ours.caught():
        code = f"import os, time\nfor number in (2, 15, 2): os.kill({os.getpid()}, number); time.sleep(0.03)"
        subprocess.Popen([sys.executable, "-c", code]).wait()
        assert ours.asked and told == [1]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert told == [1]


@pytest.mark.parametrize("error", [BrokenPipeError, RuntimeError("reentrant call"), ValueError("closed file")])
def test_a_message_that_cannot_be_written_is_no_fault(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(stopping, "MOMENT", 0.0)

    def tell() -> None:
        raise error

    ours = Stopping(tell)
    with ours.caught():
        signal.raise_signal(signal.SIGTERM)
    assert ours.asked
