"""What each of several processes writes and gets back: shared files are the first one's, its own state is each one's.

Here are batch norm, dropout, image pools and a data cache, everything that a process has for itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import safetensors.torch
import torch
from torch import Tensor

from tests.pictures import fill
from tests.plain_recipes import everything
from tests.ranks import together
from tests.test_processes import DISCRIMINATOR_FIRST
from toonforge import recipe as recipes
from toonforge.errors import RunError
from toonforge.recipe.model import Recipe
from toonforge.train import meeting, trainer
from toonforge.train.step import Training

OWN = """
name = "own"
[data]
type = "tiny/pictures"
count = 9
[train]
steps = 4
batch_size = 4
accumulate = 2
ema = 0.9
checkpoint = { every = 2, keep = 5 }
samples = { every = 2, count = 1 }
metrics.every = 2
log.every = 1
[generators]
G = { type = "tiny/generator", dropout = 0.5 }
[discriminators]
D = { type = "tiny/discriminator", norm = true }
[signals]
fake = "G(photo)"
[phases.discriminator]
updates = ["D"]
[phases.discriminator.losses]
reals = { type = "lsgan", logits = "D(augment(anime))", real = true }
fakes = { type = "lsgan", logits = "D(pool(fake, 3))", real = false }
[phases.generator]
updates = ["G"]
[phases.generator.losses]
fool = { type = "lsgan", logits = "D(noise(fake, 0.1))", real = true }
[translations]
anime = "G(photo)"
[metrics.mean]
type = "tiny/mean"
input = "G(photo)"
"""


@attrs.frozen
class State:
    """What a process has: networks, averages, optimizers, and what its ops remember."""

    shared: dict[str, Tensor]
    buffers: dict[str, Tensor]
    pools: dict[str, Tensor]


def state(training: Training) -> State:
    found = everything(training)
    names = {f"network {n}.{key}" for n, m in training.networks.items() for key, _ in m.named_buffers()}
    pools = {key: value.clone() for key, value in training.memory.tensors().items()}
    return State(
        {k: v for k, v in found.items() if k not in names}, {k: v for k, v in found.items() if k in names}, pools
    )


WRITTEN: list[str] = []
"""Paths that this process has written to, where `watched` was its preparation."""


def nothing(rank: int) -> None:
    """No preparation."""


def run(
    recipe: Recipe, folder: Path, count: int, resume: bool = False, within: Callable[[int], None] = nothing
) -> list[tuple[State, list[str]]]:
    """Train in `count` processes, each after `within`; returns each one's state, and what it has written to."""

    def work(rank: int) -> tuple[State, list[str]]:
        made: list[Training] = []

        class Seen(Training):
            def __init__(self, *args: object) -> None:
                super().__init__(*args)  # type: ignore[arg-type]
                made.append(self)

        trainer.Training = Seen  # type: ignore[misc]
        within(rank)
        trainer.train(recipe, folder=folder, resume=resume, cpu=True)
        return state(made[0]), WRITTEN

    return together(count, work)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


def stopped_at(recipe: Recipe, steps: int) -> Recipe:
    return attrs.evolve(recipe, train=attrs.evolve(recipe.train, steps=steps))


def test_each_process_gets_back_what_was_its_own(tiny: None, tmp_path: Path) -> None:
    """After a resume that has nothing left to train, and after one that trains on: k + k steps are 2k, per process."""
    recipe = recipes.loads(OWN)
    whole = [found for found, _ in run(recipe, tmp_path / "whole", 2)]
    first, second = whole
    assert same(first.shared, second.shared), "parameters, averages and optimizers are everyone's"
    assert not same(first.buffers, second.buffers), "batch norm's averages were to differ"
    assert not same(first.pools, second.pools) and first.pools and second.pools, "pools were to differ"
    half = [found for found, _ in run(stopped_at(recipe, 2), tmp_path / "parts", 2)]
    for steps, expected in ((2, half), (4, whole)):
        again = run(stopped_at(recipe, steps), tmp_path / "parts", 2, resume=True)
        for rank, (found, _) in enumerate(again):
            for part in ("shared", "buffers", "pools"):
                ours, theirs = getattr(found, part), getattr(expected[rank], part)
                assert same(ours, theirs), f"step {steps}, rank {rank}: {part}"
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / name / "checkpoints/step-000004").glob("*.safetensors")}
        for name in ("whole", "parts")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize(("was", "now"), [(2, 1), (1, 2)])
def test_what_belongs_to_processes_is_not_given_to_another_number_of_them(
    tiny: None, tmp_path: Path, was: int, now: int
) -> None:
    recipe = recipes.loads(OWN.replace("batch_size = 4", "batch_size = 12"))
    run(stopped_at(recipe, 2), tmp_path / "run", was)
    before = contents(tmp_path / "run")
    with pytest.raises((AssertionError, RunError), match=r"RunError(.|\n)*(processes|process)(.|\n)*pool\(fake, 3\)"):
        run(recipe, tmp_path / "run", now, resume=True)
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize(("was", "now"), [(1, 2), pytest.param(2, 3, marks=pytest.mark.soak)])
def test_where_nothing_belongs_to_processes_another_number_goes_on(
    tiny: None, tmp_path: Path, was: int, now: int
) -> None:
    """To the same weights as one process that was never stopped."""
    text = DISCRIMINATOR_FIRST.replace("batch_size = 4", "batch_size = 12").replace("steps = 6", "steps = 4\nema = 0.9")
    recipe = recipes.loads(text)
    ((alone, _),) = run(recipe, tmp_path / "alone", 1)
    run(stopped_at(recipe, 2), tmp_path / "run", was)
    for rank, (found, _) in enumerate(run(recipe, tmp_path / "run", now, resume=True)):
        for key, value in alone.shared.items():
            assert (value - found.shared[key]).abs().max() <= 1e-12, f"rank {rank}: {key}"
    assert f"continued by {now} processes" in log(tmp_path / "run")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run but its log and its lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".safetensors", ".json", ".toml")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def log(folder: Path) -> str:
    return (folder / "metrics.jsonl").read_text("utf-8")


# -- who writes ------------------------------------------------------------------------------------------------------

WRITES = {"os.rename": 1, "os.mkdir": 0, "os.remove": 0, "os.rmdir": 0, "os.link": 1, "os.symlink": 1, "os.truncate": 0}
"""Audit events that change a folder, and where their path stands."""


def watched(rank: int) -> None:
    """Note what this process writes; safetensors writes past Python, where no hook sees it."""
    below = safetensors.torch.serialize_file

    def serialize_file(tensors: object, path: Path, **more: object) -> None:
        WRITTEN.append(os.fsdecode(path))
        below(tensors, path, **more)

    safetensors.torch.serialize_file = serialize_file

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if isinstance(path, str | bytes | os.PathLike) and (writing or set(str(mode)) & set("wax+")):
                WRITTEN.append(os.fsdecode(path))
        elif event in WRITES and not isinstance(arguments[WRITES[event]], int):
            WRITTEN.append(os.fsdecode(arguments[WRITES[event]]))  # type: ignore[arg-type]

    sys.addaudithook(hook)


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_only_the_first_process_writes_shared_files(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """The second one writes its own state into checkpoints, and decoded pictures into the cache; also at a resume."""
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "cache"))
    for field in ("photo", "anime"):
        fill(tmp_path / field, 12)
    data = (
        '[data]\ntype = "unpaired-folders"\nimage_size = 16\nload_size = 18\ncache = "disk"\nvalidation = 0.2\n'
        f'fields = {{ photo = "{tmp_path}/photo", anime = "{tmp_path}/anime" }}\n'
    )
    text = OWN.replace('[data]\ntype = "tiny/pictures"\ncount = 9\n', data)
    recipe = recipes.loads(text.replace("log.every = 1", f"log.every = 1\nworkers = {workers}"))
    folder = tmp_path / "run"
    begun = run(stopped_at(recipe, 2), folder, 2, within=watched)
    resumed = run(recipe, folder, 2, resume=True, within=watched)
    by_first = {Path(path) for _, written in (begun[0], resumed[0]) for path in written}
    assert any(folder in path.parents for path in by_first), "the watch sees nothing"
    by_second = {Path(path) for _, written in (begun[1], resumed[1]) for path in written}
    # The system's, this test's own, and a folder that torch makes for what it compiles.
    temporary = Path(tempfile.gettempdir())
    allowed = (tmp_path / "cache", "/dev", "/proc", temporary / "toonforge-ranks", temporary / "torchinductor")
    outside = [p for p in by_second if not str(p).startswith(tuple(map(str, allowed)))]
    in_checkpoints = [path for path in outside if folder / "checkpoints" in path.parents]
    assert sorted(outside) == sorted(in_checkpoints), "the second process wrote what is not its own"
    assert {path.name for path in in_checkpoints} == OF_THE_SECOND
    assert {path.parent.name for path in in_checkpoints} == {".partial-step-000002", ".partial-step-000004"}
    assert OF_THE_SECOND.isdisjoint(path.name for path in by_first)


OF_THE_SECOND = {"ops.rank1.safetensors", "buffers.rank1.safetensors"}


def test_a_run_can_be_made_where_only_the_first_process_may_write(tiny: None, tmp_path: Path) -> None:
    """Nothing of a run's own folder is looked at by the others, unless they have state of their own to save."""
    recipe = recipes.loads(DISCRIMINATOR_FIRST.replace("steps = 6", "steps = 2"))
    _, (_, second) = run(recipe, tmp_path / "run", 2, within=watched)
    assert not [path for path in second if str(tmp_path / "run") in path]


def test_machines_that_do_not_share_the_runs_folder_are_told_so_before_the_first_step(
    tiny: None, tmp_path: Path
) -> None:
    recipe = recipes.loads(DISCRIMINATOR_FIRST)

    def work(rank: int) -> None:
        meeting.find_run.__defaults__ = (0.5,)
        trainer.train(recipe, folder=tmp_path / f"machine{rank}", cpu=True)

    with pytest.raises(
        AssertionError, match=r"RunError: process 1 does not see the run in .*machine1, which process 0"
    ):
        together(2, work)
    assert '"event": "step"' not in log(tmp_path / "machine0")
