"""Several processes end together: whichever is killed or fails, there is one message, and nothing hangs or stays.

What the launcher does is tested with processes that take no time to start; two tests at the end train for real, and
more of them in the soak: `pytest -m soak tests/test_killed_processes.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.forks import Forked
from tests.test_cli_sweep import REAL
from toonforge.cli import main, passing_on, processes
from toonforge.cli.processes import launch
from toonforge.cli.run import refuse_several_as_one
from toonforge.errors import RunError
from toonforge.train.lost import lost

HANGS = 600
PYTHON = sys.executable
Fake = Callable[..., None]

HEAD = """#!{python}
import os, signal, sys, time
sys.path[:0] = {path!r}
from toonforge.cli import worker
from toonforge.errors import DataError, LostProcess, Problem
rank = int(os.environ["RANK"])
worker.begin()
signal.signal(signal.SIGINT, lambda *_: os._exit(130))
signal.signal(signal.SIGTERM, lambda *_: os._exit(130))
{setup}
open(f"{folder}/started{{rank}}", "w").write(str(os.getpid()))
while len([name for name in os.listdir("{folder}") if name.startswith("started")]) < 2:
    time.sleep(0.01)
def lost():
    worker.hand_over(LostProcess(Problem(message="another one has ended")))
    sys.exit(2)
def others_end():
    time.sleep({hangs})
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Sets what the processes do once all have started; `rank` is theirs."""
    place = tmp_path / "started"
    place.mkdir()

    def make(code: str, setup: str = "") -> None:
        head = HEAD.format(
            setup=setup, python=PYTHON, path=[str(Path(__file__).parent.parent)], folder=place, hangs=HANGS
        )
        (tmp_path / "python").write_text(head + code, "utf-8")
        (tmp_path / "python").chmod(0o755)

    def too_late(number: int, frame: object) -> None:
        raise AssertionError("the launcher does not end")  # on its way it ends what it has started

    monkeypatch.setattr(processes.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(processes, "GRACE", 1.0)
    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(HANGS // 10)
    try:
        yield make
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    for file in place.iterdir():
        assert not is_there(int(file.read_text()))  # nothing stays, however it went


@pytest.fixture
def brief(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """For processes that hang, which need no time to leave by themselves."""
    monkeypatch.setattr(processes, "GRACE", 0.1)


def signal_when_started(tmp_path: Path, *seconds_and_numbers: tuple[float, int]) -> None:
    """Send this process signals, each so long after the one before; the first once all processes have started."""

    def send() -> None:
        deadline = time.monotonic() + 60
        while len([*(tmp_path / "started").iterdir()]) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        for seconds, number in seconds_and_numbers:
            time.sleep(seconds)
            os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


# -- who is the cause -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_the_others_that_hang(fake: Fake, brief: None, rank: int) -> None:
    fake(f"os.kill(os.getpid(), signal.SIGKILL) if rank == {rank} else others_end()")
    began = time.monotonic()
    with pytest.raises(RunError) as caught:
        launch(2, [])
    (problem,) = caught.value.problems
    assert problem.message == f"process {rank + 1} of 2 was killed (signal 9), so the others were ended"
    assert "memory" in str(problem.hint) and time.monotonic() - began < HANGS / 10


def test_the_command_that_goes_on_is_named_where_there_is_a_run(fake: Fake, tmp_path: Path) -> None:
    fake("os.kill(os.getpid(), signal.SIGKILL)")
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "resolved.toml").touch()
    with pytest.raises(RunError, match=r"toonforge run '.*/my run' --resume"):
        launch(2, [], folder)


def test_one_that_is_killed_is_the_cause_whoever_notices_first(fake: Fake) -> None:
    fake("if rank == 0: lost()\ntime.sleep(0.2)\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(RunError, match="process 2 of 2 was killed"):
        launch(2, [])


MISTAKE = 'worker.hand_over(DataError(Problem(message="no pictures", key="data", hint="add some")))\nsys.exit(2)'


@pytest.mark.parametrize(
    ("code", "grace"),
    [
        (MISTAKE, 1.0),
        (f"if rank == 0: lost()\ntime.sleep(0.2)\n{MISTAKE}", 1.0),
        (f"if rank == 1: others_end()\n{MISTAKE}", 0.1),
    ],
    ids=["both", "the other", "the first"],
)
def test_a_mistake_is_told_once_and_in_its_own_words(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, code: str, grace: float, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "GRACE", grace)
    fake(code)
    with pytest.raises(RunError) as caught:
        launch(2, [])
    assert [(p.message, p.key, p.hint) for p in caught.value.problems] == [("no pictures", "data", "add some")]
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_ours_is_told_once(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    fake('if rank == 0: lost()\nworker.hand_over("internal error: KeyError")\nsys.exit(1)')
    assert launch(2, []) == 1
    assert capfd.readouterr().err == "process 2 of 2:\ninternal error: KeyError\n"


@pytest.mark.parametrize(
    ("end", "said"),
    [("os.kill(os.getpid(), signal.SIGSEGV)", r"ended by signal 11 \(SIGSEGV\)"), ("os._exit(3)", "ended with code 3")],
)
def test_what_a_library_says_as_it_ends_a_process_is_quoted(
    fake: Fake, brief: None, capfd: pytest.CaptureFixture[str], end: str, said: str
) -> None:
    """Of the first process too, whose own words go to the terminal."""
    fake(f'if rank == 1: others_end()\nprint("ours", file=sys.stderr)\nos.write(2, b"theirs: bad")\n{end}')
    with pytest.raises(RunError, match=said) as caught:
        launch(2, [])
    assert caught.value.problems[0].found == "theirs: bad"
    assert capfd.readouterr().err == "ours\n"


def test_all_is_well_where_all_end_well(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    fake('print(f"results of {rank}")\ntime.sleep(0.2 * rank)')
    assert launch(2, []) == 0
    assert capfd.readouterr() == ("results of 0\n", "")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"), True),
        (RuntimeError("NCCL error: remote process exited or there was a network error"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("gloomy"), False),
    ],
)
def test_errors_that_only_say_that_another_process_is_gone_are_known(
    monkeypatch: pytest.MonkeyPatch, error: Exception, expected: bool
) -> None:
    around = RuntimeError("the loss failed")
    around.__cause__ = error
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert [lost(each) is not None for each in (error, around)] == [expected, expected]
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert lost(error) is None


# -- stopping ---------------------------------------------------------------------------------------------------------


COUNTS = """
count = 0
def asked(*_):
    global count
    count += 1
    open(f"{os.environ['COUNTS']}{rank}", "w").write(str(count))
signal.signal(signal.SIGINT, asked)
signal.signal(signal.SIGTERM, asked)
"""


def test_several_signals_are_one_request_to_each_process(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any of them, first or later; the tests below begin with the other two."""
    monkeypatch.setenv("COUNTS", str(tmp_path / "count"))
    monkeypatch.setattr(passing_on, "MOMENT", 30.0)
    fake("while not count: time.sleep(0.05)\ntime.sleep(1)\nos._exit(130)", COUNTS)
    first = (0.1, signal.SIGHUP)
    signal_when_started(tmp_path, first, (0.0, signal.SIGHUP), (0.3, signal.SIGTERM), (0.1, signal.SIGINT))
    assert launch(2, []) == 130
    assert [(tmp_path / f"count{rank}").read_text() for rank in (0, 1)] == ["1", "1"]


def test_a_second_request_ends_processes_that_hang(
    fake: Fake, brief: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(passing_on, "MOMENT", 0.2)
    monkeypatch.setattr(processes, "SAID", 0.1)
    fake("others_end()", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    signal_when_started(tmp_path, (0.1, signal.SIGINT), (0.5, signal.SIGINT))
    assert launch(2, []) == 130
    said = capfd.readouterr().err
    assert said.count("waiting for the processes") == 1 and said.count("left at once") == 1


@pytest.mark.parametrize("second", [False, True])
def test_how_processes_were_left_is_said_once_and_from_where_the_run_goes_on(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], second: bool
) -> None:
    """They leave by themselves: as they start, at the first request; while they train, at the second."""
    monkeypatch.setenv("COUNTS", str(tmp_path / "count"))
    monkeypatch.setattr(passing_on, "MOMENT", 0.2)
    folder = tmp_path / "run"
    for step in (20, 100):
        (folder / f"checkpoints/step-{step:06d}").mkdir(parents=True)
    (folder / "resolved.toml").touch()
    leaves = "from toonforge.cli import leaving\nleaving.starts()\nleaving.leave()"
    fake(f"while count <= {int(second)}: time.sleep(0.05)\n{leaves}", COUNTS)
    signal_when_started(tmp_path, (0.1, signal.SIGTERM), *([(0.5, signal.SIGTERM)] if second else []))
    assert launch(2, [], folder) == 130
    left = f"left at once: goes on from step 100 with: toonforge run {folder} --resume\n"
    assert capfd.readouterr().err == (left if second else "stopped before the first step: nothing is lost\n")


@pytest.mark.parametrize("code", [0, 130])
def test_a_training_that_told_of_its_end_has_the_last_word(
    fake: Fake, tmp_path: Path, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    """Whatever requests end its processes with then."""
    fake(f"worker.note_end({code})\nos._exit(130)")
    assert launch(2, [], tmp_path) == code
    assert capfd.readouterr() == ("", "")


DIES = "signal.signal(signal.SIGTERM, signal.SIG_DFL)\nos.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize(
    ("ends", "other", "message"),
    [
        ("os._exit(130)", "others_end()", "process 2 of 2 alone was asked to stop, so the others were ended"),
        (DIES, "others_end()", "process 2 of 2 was ended by signal 15 (SIGTERM), so the others were ended"),
        (DIES, "lost()", "process 2 of 2 was ended by signal 15 (SIGTERM), so the others were ended"),
    ],
    ids=["saved", "as it started", "noticed"],
)
def test_one_process_that_was_asked_alone_is_named_and_leaves_no_other_behind(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, ends: str, other: str, message: str
) -> None:
    monkeypatch.setattr(processes, "ALONE", 0.2)
    fake("if rank:\n" + "".join(f"    {line}\n" for line in ends.splitlines()) + other)
    with pytest.raises(RunError) as caught:
        launch(2, [])
    (problem,) = caught.value.problems
    assert (problem.message, problem.hint) == (message, "start it again")


def test_a_launcher_that_is_killed_asks_its_processes_to_stop(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTS", str(tmp_path / "count"))
    fake("while not count: time.sleep(0.05)\nos._exit(130)", COUNTS)
    code = f"import sys\nsys.executable = {str(tmp_path / 'python')!r}\n"
    code += "from toonforge.cli.processes import launch\nlaunch(2, [])"
    launcher = subprocess.Popen([PYTHON, "-c", code], cwd=Path(__file__).parent.parent)
    deadline = time.monotonic() + 60
    while len([*(tmp_path / "started").iterdir()]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    launcher.kill()
    launcher.wait()
    while not all((tmp_path / f"count{rank}").is_file() for rank in (0, 1)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for file in (tmp_path / "started").iterdir():
        while is_there(int(file.read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def is_there(process: int) -> bool:
    """Whether a process runs; one that has ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# -- for real -----------------------------------------------------------------------------------------------------------


def worker_of(launcher: int, rank: int, forked: bool = False) -> int:
    """The process of a rank; of forked ones, whose environment is not to be seen, the one that began so early."""
    began = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) != launcher:
                continue
            if not forked and f"RANK={rank}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
            began[int(folder.name)] = int(stat[19])
    if not forked:
        raise LookupError(rank)
    assert len(began) == 2
    return sorted(began, key=lambda process: (began[process], process))[rank]


def begin(folder: Path, *words: str, torchrun: bool = False, forked: bool = False) -> Forked | subprocess.Popen[bytes]:
    """Train for ever in two processes, once they have done some steps."""
    (folder / "real.toml").write_text(REAL.replace("steps = 40", "steps = 20000\nbatch_size = 2"), "utf-8")
    command = [PYTHON, "-m", "toonforge", "run", "real.toml", "--cpu", "--out", "run", "--processes", "2", *words]
    if torchrun:
        command = [PYTHON, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *command[1:-2]]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    started: Forked | subprocess.Popen[bytes]
    with (folder / "errors.txt").open("wb") as errors:
        if forked:
            started = Forked(command, cwd=folder, env=env, stderr=errors)
        else:
            started = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stderr=errors)
    log, deadline = folder / "run/metrics.jsonl", time.monotonic() + 120
    while not log.is_file() or log.read_text("utf-8").count("\n") < 4:
        assert started.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    return started


def assert_one_killed_ends_all(tmp_path: Path, rank: int, forked: bool = False) -> None:
    """One message, no traceback, nothing of what libraries say of lost connections, nothing that stays."""
    started = begin(tmp_path, forked=forked)
    killed, other = (worker_of(started.pid, which, forked) for which in (rank, 1 - rank))
    os.kill(killed, signal.SIGKILL)
    assert started.wait(60) == 2
    assert not is_there(other)
    said = (tmp_path / "errors.txt").read_text("utf-8")
    assert said.count("error") == 1 and f"error: process {rank + 1} of 2 was killed (signal 9)" in said
    assert "with: toonforge run run --resume" in said
    assert "Traceback" not in said and "gloo" not in said


def test_one_process_killed_ends_a_training_with_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forked, as are the processes that it starts; in the soak each is started with a Python of its own."""
    monkeypatch.setattr(processes, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": Forked}))
    assert_one_killed_ends_all(tmp_path, 1, forked=True)


@pytest.mark.soak
def test_one_started_process_killed_ends_a_training_with_one_message(tmp_path: Path) -> None:
    assert_one_killed_ends_all(tmp_path, 1)


@pytest.mark.soak
def test_the_first_process_killed_ends_a_training_with_one_message(tmp_path: Path) -> None:
    assert_one_killed_ends_all(tmp_path, 0)


@pytest.mark.soak
@pytest.mark.parametrize("rank", [0, 1])
def test_one_process_killed_ends_all_of_torchrun(tmp_path: Path, rank: int) -> None:
    started = begin(tmp_path, torchrun=True)
    os.kill(worker_of(started.pid, rank), signal.SIGKILL)
    assert started.wait(120) != 0
    said = (tmp_path / "errors.txt").read_text("utf-8")
    assert "(SIGKILL)" in said and "internal error" not in said
    assert said.count("error: another process of this training has ended") <= 1
    assert said.count("loading PyTorch") == 1


@pytest.mark.soak
def test_a_training_whose_launcher_is_killed_saves_and_ends(tmp_path: Path) -> None:
    started = begin(tmp_path)
    left = [worker_of(started.pid, rank) for rank in (0, 1)]
    started.kill()
    started.wait()
    deadline = time.monotonic() + 60
    while any(map(is_there, left)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    last = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text("utf-8").splitlines()][-1]
    assert last["event"] == "end" and last["reason"] == "interrupted"
    assert (tmp_path / "run/checkpoints/latest").read_text().strip() == f"step-{last['step']:06d}"


MEET = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
"""What `accelerate launch` sets for several processes, and a job's script may have set for other programs."""


@pytest.mark.parametrize(
    "told",
    [
        {"ACCELERATE_USE_CPU": "True", **MEET},
        {"ACCELERATE_USE_CPU": "False", **MEET},
        {"OMPI_COMM_WORLD_SIZE": "2"},
        {"PMI_SIZE": "4"},
    ],
    ids=["accelerate --cpu", "accelerate", "mpirun", "hydra"],
)
def test_several_that_would_train_alone_are_refused(
    told: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `accelerate launch --num_processes 2` without a GPU and `mpirun -n 2` set them."""
    for name in ("WORLD_SIZE", *MEET):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "real.toml").write_text(REAL, "utf-8")
    assert main(["run", str(tmp_path / "real.toml"), "--cpu", "--out", str(tmp_path / "run")]) == 2
    assert "each would train alone" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("told", "on_cpu"),
    [
        ({"ACCELERATE_USE_CPU": "False", **MEET}, False),
        ({"ACCELERATE_USE_CPU": "True"}, True),
        ({"ACCELERATE_USE_CPU": "True", "MASTER_PORT": "29500"}, True),
        (MEET, True),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, True),
    ],
    ids=["on a GPU", "on a CPU", "half an address", "without accelerate", "mpirun -n 1"],
)
def test_one_process_is_not_taken_for_several(
    told: dict[str, str], on_cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an address to meet at was there before."""
    for name in MEET:
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    refuse_several_as_one(on_cpu)
