"""Hundreds of crashes, and how every one of them ends: pytest -m soak tests/crashes (a quarter of an hour of one core).

SOAK_SEED chooses other instants, SOAK_KILLS how many random kills there are at least.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import attrs
import pytest

from tests.crashes import sweeps
from tests.crashes.bench import Bench, quick_folder, stream, told
from tests.crashes.commands import RECIPE, Command
from tests.crashes.killing import Anytime
from tests.crashes.outcome import Ended
from tests.crashes.plans import Harm, several
from tests.crashes.table import table
from tests.crashes.trial import Trial

pytestmark = pytest.mark.soak
SEED = int(os.environ.get("SOAK_SEED", "1"))
KILLS = int(os.environ.get("SOAK_KILLS", "240"))


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


def judge(capsys: pytest.CaptureFixture[str], what: str, trials: list[Trial], faults: list[str]) -> None:
    """Show the table, and fail for any fault."""
    with capsys.disabled():
        print(f"\n{what}; seed {SEED}\n{table(trials)}")
    assert not faults, "\n".join(faults)


def kills_of(trials: list[Trial]) -> int:
    return sum(len(trial.deaths) for trial in trials)


def test_killed_at_random_instants(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench, rng = Bench.make(folder), stream(SEED, "instants")
    trials: list[Trial] = []
    faults: list[str] = []
    while kills_of(trials) < KILLS:
        kills = several(bench.timings, rng, most=5)
        trials.append(bench.survive(kills))
        faults += [told(SEED, kills, trials[-1])] if trials[-1].faults or trials[-1].damaged else []
    judge(capsys, "kill -9 at random instants, of runs of 12 steps with a checkpoint each 3", trials, faults)


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
def test_killed_at_every_operation_on_the_disk(folder: Path, capsys: pytest.CaptureFixture[str], power: bool) -> None:
    bench = Bench.make(folder, steps=4, every=2, keep=1)
    trials: list[Trial] = []
    faults: list[str] = []
    # Of a power cut, the operations themselves: one half-way in a write loses less than one before it.
    for kill, operation in [each for each in bench.points if not (power and each[0].torn)]:
        trial = bench.survive([kill], power=Random(kill.operation) if power else None)
        trials.append(trial)
        if trial.faults or trial.damaged or not trial.deaths:
            faults.append(f"{operation}: {told(SEED, [kill], trial)}")
    what = "power cut" if power else "kill -9"
    judge(capsys, f"{what} at each operation on the disk of a run of 4 steps with a checkpoint each 2", trials, faults)


def test_killed_and_the_newest_checkpoint_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench, rng = Bench.make(folder, keep=4), stream(SEED, "harm")
    trials: list[Trial] = []
    faults: list[str] = []
    for _ in range(KILLS // 10):
        kills = several(bench.timings, rng)
        trials.append(bench.survive(kills, harm=Harm(rng)))
        faults += [told(SEED, kills, trials[-1])] if trials[-1].faults else []
    assert any(trial.damaged for trial in trials)
    judge(capsys, "kill -9, and a file of the newest checkpoint cut, flipped, replaced or gone", trials, faults)


@pytest.mark.parametrize("processes", [1, 2], ids=["a worker", "two processes"])
def test_killed_with_further_processes(folder: Path, capsys: pytest.CaptureFixture[str], processes: int) -> None:
    bench, rng = Bench.make(folder, processes=processes, workers=2 - processes), stream(SEED, f"processes {processes}")
    trials: list[Trial] = []
    faults: list[str] = []
    for _ in range(KILLS // 10):
        kills, victims = (
            several(bench.timings, rng, most=2),
            rng.choice([(0,), (1,), (0, 1)] if processes > 1 else [(0,)]),
        )
        trials.append(bench.survive(kills, victims=victims))
        faults += [told(SEED, kills, trials[-1])] if trials[-1].faults or trials[-1].damaged else []
    what = "one of two processes killed, or both" if processes > 1 else "killed with a process that loads pictures"
    judge(capsys, what, trials, faults)


def test_a_sweep_killed_at_random_instants(folder: Path) -> None:
    bench = Bench.make(folder, train=sweeps.sweep_here, marker=sweeps.MARKER, steps=4, every=2)
    rng, died = stream(SEED, "sweep"), 0
    again = attrs.evolve(bench.case, place=folder / "again")
    for _ in range(KILLS // 20):
        again.clear()
        for kill in [*(Anytime(rng.uniform(0, bench.timings[0].seconds)) for _ in range(2)), None]:
            (code,) = again.once(bench.pages, kill)
            died += code == -9
            if code != -9:
                break
        assert code == 0, again.said()
        assert not sweeps.differences(bench.case.folder, again.folder)
    assert died


@pytest.mark.parametrize("words", [(), ("--processes", "2")], ids=["one process", "two processes"])
def test_the_command_killed_at_random_instants(tmp_path: Path, words: tuple[str, ...]) -> None:
    rng = stream(SEED, f"command {len(words)}")
    (tmp_path / "real.toml").write_text(RECIPE, "utf-8")
    whole = Command(tmp_path, "whole", *words)
    assert whole.wait() == 0
    died = 0
    for lines in (1, 6, 11):
        died += Command(tmp_path, "killed", *words).kill_after(rng.uniform(0, 0.2), lines)
    last = Command(tmp_path, "killed", *words)
    code = last.wait()
    assert code == 0, last.output.read_text()[-3000:]
    assert died
    assert not Ended.of(whole.folder).differences(Ended.of(last.folder))
