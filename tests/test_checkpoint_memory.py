"""What each process and each loss remembers is in a checkpoint; and who can go on from it with other processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.test_checkpoint_formats import a_run
from tests.test_resume import Notes, interrupt_at, losses, tensors
from toonforge import recipe as recipes
from toonforge import registries
from toonforge.components import Loss, component, param
from toonforge.errors import RunError
from toonforge.ops.image_pool import ImagePool
from toonforge.recipe.expr import Expr
from toonforge.registry import Provenance
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.saved import Saved
from toonforge.train.state import Average, Memory, Optimizers, same
from toonforge.train.trainer import train


class Running(nn.Module):
    """Distance to the running mean of all that it has seen; it also counts, and keeps what never changes."""

    mean: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("seen", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("weights", torch.rand(64, 64))
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, input: Tensor) -> Tensor:
        loss = (input.mean((0, 2, 3)) - self.mean).square().mean()
        self.mean.lerp_(input.detach().mean((0, 2, 3)), 0.3)
        self.seen = torch.cat([self.seen, torch.ones(1, dtype=torch.int64)])  # of another size each time
        return loss * len(self.seen)


class Plain:
    """The same without torch's modules."""

    def __init__(self) -> None:
        self.inner = Running()

    def __call__(self, input: Tensor) -> Tensor:
        loss: Tensor = self.inner(input)
        return loss

    def state_dict(self) -> dict[str, Tensor]:
        return {"mean": self.inner.mean, "seen": self.inner.seen} if len(self.inner.seen) else {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.inner.mean, self.inner.seen = state["mean"], state["seen"]


@component
class Remembering(Loss):
    """A loss that remembers."""

    input: Expr = param(doc="pictures")
    plain: bool = param(False, doc="whether it is no module")

    def build(self) -> Any:
        return Plain() if self.plain else Running()


RECIPE = """
name = "remembering"
[data]
type = "tiny/pictures"
[train]
steps = 6
batch_size = 2
checkpoint = { every = 3, keep = 2 }
log.every = 1
[generators]
G = { type = "tiny/generator" }
[phases.all]
updates = ["G"]
losses.far = { type = "tests/remembering", input = "G(photo)", plain = PLAIN }
losses.near = { type = "tests/remembering", input = "G(G(photo))", weight = 0.5 }
"""


@pytest.fixture
def remembering(tiny: None) -> None:
    if "tests/remembering" not in registries.losses:
        registries.losses.add(
            "tests/remembering", Remembering, Provenance(plugin="tests", distribution="tests", version="0")
        )


@pytest.mark.parametrize("plain", ["true", "false"])
def test_losses_that_remember_go_on_where_they_were(
    remembering: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: str
) -> None:
    recipe = recipes.loads(RECIPE.replace("PLAIN", plain))
    train(recipe, folder=tmp_path / "whole", cpu=True)
    interrupt_at(monkeypatch, 3)
    train(recipe, folder=tmp_path / "parts", cpu=True)
    monkeypatch.undo()
    train(recipe, folder=tmp_path / "parts", resume=True, cpu=True)
    whole, parts = (tensors(tmp_path / run / "checkpoints/step-000006") for run in ("whole", "parts"))
    assert whole.keys() == parts.keys() and all(torch.equal(whole[key], parts[key]) for key in whole)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    kept = [key for key in whole if key.startswith("ops.rank0")]
    assert sorted(kept) == [
        f"ops.rank0.safetensors:phases.all.losses.{name}::{key}" for name in ("far", "near") for key in ("mean", "seen")
    ], "what never changes is not saved"


def test_what_has_nothing_to_remember_yet_stays_as_it_was_built() -> None:
    before = Memory({"far": Plain(), "near": Running(), "pool": ImagePool()})
    assert before.tensors() == {}
    after = Memory({"far": Plain(), "near": Running(), "pool": ImagePool()})
    after.load(before.tensors())
    assert after.tensors() == {}


@given(values=st.lists(st.floats(width=32), min_size=1, max_size=5), other=st.floats(width=32))
def test_equal_is_bit_for_bit(values: list[float], other: float) -> None:
    one = torch.tensor(values)
    two = one.clone()
    assert same(one, two)
    two[0] = other
    assert same(one, two) == (one.numpy().tobytes() == two.numpy().tobytes())
    assert not same(one, one.double()) and not same(one, one[None])


# -- several processes, here threads ----------------------------------------------------------------------------------


class Process:
    """What one of several processes has: networks with averages and batch norm, and pools."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
        self.average = Average({"G": self.network}, 0.5)
        self.pool, self.other = ImagePool(), ImagePool()
        self.memory = Memory({"pool(a, 2)": self.pool, "pool(b, 2)": self.other, "add": lambda x: x})
        if seed:
            torch.manual_seed(seed)
            self.network(torch.rand(2, 3, 4, 4))
            self.average.update("G", self.network)
            self.pool(torch.rand(2, 3, 4, 4), 2)

    def saved(self, **more: Any) -> Saved:
        values = {
            "networks": {"G": self.network},
            "metadata": {"G": {"network": "G"}},
            "average": self.average,
            "optimizers": Optimizers([], {}),
            "memory": self.memory,
            "run": {"recipe": "r", "seed": 0},
        }
        return Saved(**{**values, **more})

    def state(self) -> dict[str, Tensor]:
        average = {f"ema.{key}": value for key, value in self.average.networks["G"].state_dict().items()}
        return {**self.network.state_dict(), **average, **self.memory.tensors()}


def together(folder: Path, processes: list[Process], do: Callable[[Checkpoints, Process], object]) -> list[Any]:
    """Call for every process, each in a thread of its own, as they wait for each other."""
    barrier, results = threading.Barrier(len(processes)), list[Any]([None] * len(processes))

    def wait() -> None:
        barrier.wait(60)

    def one(rank: int) -> None:
        checkpoints = Checkpoints(folder, 2, rank, len(processes), wait)
        try:
            results[rank] = do(checkpoints, processes[rank])
        except BaseException as error:
            results[rank] = error
            barrier.abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(processes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def save(folder: Path, processes: list[Process], step: int = 4) -> Path:
    (path, *_) = together(folder, processes, lambda checkpoints, process: checkpoints.save(step, process.saved()))
    assert isinstance(path, Path), path
    return path


def load(path: Path, processes: list[Process]) -> list[Any]:
    return together(path.parent, processes, lambda checkpoints, process: checkpoints.load(path, process.saved()))


@settings(max_examples=10)
@given(seeds=st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_each_process_gets_back_what_was_its_own(tmp_path_factory: pytest.TempPathFactory, seeds: list[int]) -> None:
    before = [Process(seed) for seed in seeds]
    path = save(tmp_path_factory.mktemp("checkpoints"), before)
    names = {file.name for file in path.iterdir()}
    differ = {f"buffers.rank{rank}.safetensors" for rank, seed in enumerate(seeds) if seed != seeds[0]}
    assert {name for name in names if name.startswith("buffers")} == differ, "only what differs is written"
    after = [Process(0) for _ in seeds]
    assert load(path, after) == [(4, [])] * len(seeds)
    for one, other in zip(before, after, strict=True):
        assert one.state().keys() == other.state().keys()
        assert all(same(value, other.state()[key]) for key, value in one.state().items())


def test_another_number_of_processes_goes_on_where_nothing_belongs_to_one(tmp_path: Path) -> None:
    def alike() -> Process:
        process = Process(1)
        process.pool.pictures = []
        return process

    path = save(tmp_path, [alike(), alike()])
    for count in (1, 3):
        for result in load(path, after := [Process(0) for _ in range(count)]):
            step, (note,) = result
            assert step == 4 and "begun by 2 processes, continued by " in note
        assert all(same(value, alike().state()[key]) for one in after for key, value in one.state().items())


@pytest.mark.parametrize(
    ("seeds", "pools", "found"),
    [
        ([1, 1], True, "process 0 has pool(a, 2) of its own; process 1 has pool(a, 2) of its own"),
        ([1, 2], False, "process 1 has buffers of G, G.ema of its own"),
    ],
)
def test_another_number_of_processes_is_refused_in_plain_words_where_something_does(
    tmp_path: Path, seeds: list[int], pools: bool, found: str
) -> None:
    processes = [Process(seed) for seed in seeds]
    if not pools:
        for process in processes:
            process.pool.pictures = []
    path = save(tmp_path, processes)
    for error in load(path, [Process(0)]):
        assert isinstance(error, RunError)
        (problem,) = error.problems
        assert problem.message == f"{path} was written by 2 processes and cannot be continued by one process"
        assert (problem.key, problem.found) == ("train.processes", found)
        assert problem.hint == "resume with --processes 2, or begin a new run"


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    def do(checkpoints: Checkpoints, process: Process) -> Path:
        if checkpoints.rank == 1:
            checkpoints.folder = tmp_path / "other machine"
        return checkpoints.save(4, process.saved())

    _, error = together(tmp_path / "checkpoints", [Process(1), Process(1)], do)
    assert isinstance(error, RunError) and "give one that they share with --out" in str(error)


def test_the_number_of_processes_may_change_as_a_key(tiny: None, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    heard = Notes()
    # As if it had been begun by two: the checkpoint decides about those, the folder about the key.
    resolved = run / "resolved.toml"
    resolved.write_text(resolved.read_text().replace("processes = 1", "processes = 2"))
    train(recipes.load(resolved, ["train.processes=1"]), folder=run, resume=True, cpu=True, listeners=[heard])
    assert heard.notes == ("train.processes: 2 -> 1",)
    assert "processes = 1" in resolved.read_text()


def test_what_is_refused_changes_nothing(tiny: None, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="is already at step 4"):
        train(recipes.load(run / "resolved.toml", ["train.steps=3"]), folder=run, resume=True, cpu=True)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_change_is_told_even_if_the_start_with_it_is_killed_before_it_begins(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toonforge.runs.folder import RunFolder

    run = a_run(tmp_path)
    longer = recipes.load(run / "resolved.toml", ["train.steps=8"])

    def killed(self: RunFolder, *args: Any, **more: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "describe", killed)
    with pytest.raises(KeyboardInterrupt):
        train(longer, folder=run, resume=True, cpu=True)
    monkeypatch.undo()
    heard = Notes()
    assert train(longer, folder=run, resume=True, cpu=True, listeners=[heard]).step == 8
    assert heard.notes[0] == "train.steps: 6 -> 8"
    told = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [event["change"] for event in told if event["event"] == "changed"] == list(heard.notes)
    assert "steps = 8" in (run / "resolved.toml").read_text()
