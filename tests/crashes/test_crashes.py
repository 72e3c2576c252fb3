"""A training that is killed resumes and ends as one that was not: a sample; hundreds of kills are in `test_soak.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import pytest

from tests.crashes.bench import Bench, quick_folder, stream, told
from tests.crashes.killing import Anytime, At, Within
from tests.crashes.plans import Harm, several

SEED = 20
NAMES, ALL_THAT_WAS_FLUSHED = 1, 2
"""Seeds for which a power cut leaves the names of files but not their contents, and what was flushed alone."""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with quick_folder() as folder:
        yield Bench.make(folder, steps=9)


@pytest.fixture(scope="module")
def short() -> Iterator[Bench]:
    with quick_folder() as folder:
        yield Bench.make(folder, steps=4, every=2, keep=1)


def test_killed_at_random_instants_a_run_ends_as_if_it_had_not_been(bench: Bench) -> None:
    rng = stream(SEED, "instants")
    for _ in range(2):
        kills = several(bench.timings, rng)
        trial = bench.survive(kills)
        assert not trial.faults and not trial.damaged, told(SEED, kills, trial)


KINDS = {
    "the folder is described": r"replace run/resolved\.toml",
    "the list of pictures is written": r"open run/\.data\.csv",
    "a line of the log is written": r"write run/metrics\.jsonl",
    "a file of a checkpoint is written": r"save .*/G\.safetensors",
    "a checkpoint gets its name": r"rename .*\.partial-step-\d+$|rename .*/step-\d+$",
    "the newest checkpoint is named": r"replace .*/latest",
    "the best checkpoint is named": r"replace .*/best",
    "an old checkpoint is removed": r"rmdir .*checkpoints/",
    "a grid is drawn": r"rename .*samples/",
    "the report is written": r"write .*report\.html",
}


@pytest.mark.parametrize("what", KINDS)
def test_killed_while(short: Bench, what: str) -> None:
    """Before the last of such operations, and half-way in the last that can be half done."""
    points = [kill for kill, operation in short.points if re.match(KINDS[what], f"{operation.name} {operation.path}")]
    assert points, what
    for kill in {point.torn: point for point in points}.values():
        trial = short.survive([kill])
        assert trial.deaths and not trial.faults and not trial.damaged, told(SEED, [kill], trial)


@pytest.mark.parametrize(("when", "left"), [(0.5, ALL_THAT_WAS_FLUSHED), (0.97, ALL_THAT_WAS_FLUSHED), (0.97, NAMES)])
def test_a_power_cut_after_a_checkpoint_loses_nothing_of_before_it(short: Bench, when: float, left: int) -> None:
    kill = short.points[int(when * len(short.points))][0]
    trial = short.survive([kill], power=Random(left))
    assert trial.deaths and not trial.faults and not trial.damaged, told(SEED, [kill], trial)


def test_killed_again_while_it_resumes(short: Bench) -> None:
    after = short.points[len(short.points) * 2 // 3][0]
    for activity in ("restoring a checkpoint", "cutting the log", "checking the folder"):
        kills = [after, Within(activity, 1, 0.0), At(2), Anytime(0.0)]
        trial = short.survive(kills)
        assert len(trial.deaths) >= 3 and not trial.faults, told(SEED, kills, trial)


def test_a_damaged_newest_checkpoint_costs_the_steps_since_the_one_before(bench: Bench) -> None:
    rng = stream(SEED, "harm")
    kills = [rng.choice(bench.points[len(bench.points) * 3 // 4 :])[0]]
    trial = bench.survive(kills, harm=Harm(rng, always=True))
    assert trial.damaged and not trial.faults, told(SEED, kills, trial)


def test_killed_with_a_process_that_loads_pictures() -> None:
    with quick_folder() as folder:
        bench = Bench.make(folder, steps=4, every=2, workers=1)
        kills = [bench.points[len(bench.points) // 2][0]]
        trial = bench.survive(kills)
        assert trial.deaths and not trial.faults, told(SEED, kills, trial)


def test_one_of_two_processes_killed_or_both() -> None:
    with quick_folder() as folder:
        bench = Bench.make(folder, steps=4, every=2, processes=2)
        for victims in ((1,), (0, 1)):
            kills = [Within("writing a checkpoint", 2, 0.002)]
            trial = bench.survive(kills, victims=victims)
            assert trial.deaths and not trial.faults, told(SEED, kills, trial)
