"""A checkpoint whose files are whole, but hold what is not this run's, is passed over before anything of it is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests import tiny
from tests.checkpoint_formats import HOME, RECIPE
from tests.test_checkpoint_damage import resumed
from tests.test_checkpoint_formats import a_run
from toonforge import recipe as recipes
from toonforge.components import Optimizer, component, param
from toonforge.errors import RunError
from toonforge.files import checksum
from toonforge.ops.image_pool import ImagePool
from toonforge.runs.folder import RunFolder
from toonforge.runs.inventory import damage, read_inventory, write_inventory
from toonforge.runs.metadata import read_metadata
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.fitting import misfit
from toonforge.train.saved import Saved
from toonforge.train.state import Memory, Optimizers
from toonforge.train.trainer import Trainer
from toonforge.weights.tensors import write_tensors

NEWEST = HOME / "format-2/checkpoints/step-000004"
ADAM = "optimizer.train.G.safetensors"
MEMORY = "ops.rank0.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """What a start of the kept run would load into."""
    tiny.register()
    return Trainer(recipes.load(RECIPE), RunFolder(tmp_path_factory.mktemp("none")), [], cpu=True).saving._saved()


def seal(folder: Path) -> None:
    """Let a checkpoint say that its files are as they were written."""
    names = [path.name for path in folder.iterdir() if path.suffix == ".safetensors"]
    files = {name: checksum(folder / name) for name in names}
    write_inventory(folder, attrs.evolve(read_inventory(folder), files=files))
    assert damage(folder) is None


def edit(
    path: Path,
    tensors: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] = lambda held: held,
    about: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda held: held,
) -> None:
    """Change what a checkpoint's file holds, and seal the checkpoint again."""
    with safe_open(path, framework="pt") as file:
        described = file.metadata() is not None
    metadata = {"toonforge": json.dumps(about(read_metadata(path)))} if described else None
    save_file({key: value.clone() for key, value in tensors(load_file(path)).items()}, path, metadata)
    seal(path.parent)


def put(path: Path, write: Callable[[Path], object]) -> None:
    """Write a checkpoint's file anew, and seal the checkpoint."""
    write(path)
    seal(path.parent)


def without(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda held: {known: value for known, value in held.items() if known != key}


EDITS: dict[str, tuple[Callable[[Path], object], str]] = {
    "an optimizer without its plain values": (
        lambda folder: edit(folder / ADAM, about=without("plain")),
        f"{ADAM} does not say what it holds besides tensors",
    ),
    "plain values that are a list": (
        lambda folder: edit(folder / ADAM, about=lambda held: {**held, "plain": [1]}),
        f"{ADAM} does not say what it holds besides tensors",
    ),
    "a plain value in a tensor's place": (
        lambda folder: edit(
            folder / ADAM, without("0.weight/exp_avg"), lambda held: {**held, "plain": {"0.weight/exp_avg": "x"}}
        ),
        f"{ADAM}: 0.weight/exp_avg is not there and",
    ),
    "a value that is there twice": (
        lambda folder: edit(folder / ADAM, about=lambda held: {**held, "plain": {"0.weight/step": 1}}),
        f"{ADAM}: 0.weight/step is there twice",
    ),
    "an optimizer of other parameters": (
        lambda folder: edit(folder / ADAM, lambda held: {"x/y": torch.zeros(1)}),
        f"{ADAM}: x/y belongs to no parameter",
    ),
    "an average that does not count": (
        lambda folder: edit(folder / "G.ema.safetensors", about=without("updates")),
        "G.ema.safetensors does not say how many updates it has taken",
    ),
    "an average that counts in words": (
        lambda folder: edit(folder / "G.ema.safetensors", about=lambda held: {**held, "updates": "many"}),
        "G.ema.safetensors does not say how many updates it has taken",
    ),
    "a pool of another recipe": (
        lambda folder: edit(folder / MEMORY, lambda held: {key + "x": value for key, value in held.items()}),
        f"{MEMORY}: pool(fake, 2) cannot take picturesx",
    ),
    "what nothing remembers": (
        lambda folder: edit(folder / MEMORY, lambda held: {**held, "pool(real, 3)::pictures": torch.zeros(1, 3, 2, 2)}),
        f"{MEMORY}: nothing here remembers pool(real, 3)::pictures",
    ),
    "a pool of numbers": (
        lambda folder: edit(folder / MEMORY, lambda held: {key: torch.zeros(3) for key in held}),
        f"{MEMORY}: pool(fake, 2) cannot take pictures [3]",
    ),
    "a pool of bytes": (
        lambda folder: put(folder / MEMORY, lambda path: path.write_bytes(b"garbage")),
        "Error while deserializing header",
    ),
    "buffers of no network": (
        lambda folder: put(
            folder / "buffers.rank0.safetensors", lambda path: write_tensors(path, {"Z::mean": torch.zeros(2)})
        ),
        "buffers.rank0.safetensors: no network has a Z::mean of 2",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_foreign_contents_are_named(saved: Saved, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(NEWEST, tmp_path / NEWEST.name)
    assert misfit(folder, read_inventory(folder), saved) is None
    change, words = EDITS[name]
    change(folder)
    problem = misfit(folder, read_inventory(folder), saved)
    assert problem is not None and words in str(problem.found), problem


def test_foreign_contents_let_the_previous_checkpoint_be_used(tiny: None, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    for name in ("an optimizer without its plain values", "an average that does not count", "a pool of numbers"):
        EDITS[name][0](run / "checkpoints/step-000004")
    step, (note,) = resumed(run)
    assert step == 6 and "checkpoints/step-000004 does not fit this run" in note
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "damaged"] == [2]


HELD = {path.name: load_file(path) for path in NEWEST.glob("*.safetensors")}
ENTRIES = sorted((file, key) for file, tensors in HELD.items() for key in tensors)


@settings(max_examples=80)
@given(entry=st.sampled_from(ENTRIES), how=st.sampled_from(["dropped", "renamed", "longer", "flat", "added"]))
def test_no_tensor_is_missing_foreign_or_of_another_shape_unnoticed(
    saved: Saved, tmp_path_factory: pytest.TempPathFactory, entry: tuple[str, str], how: str
) -> None:
    file, key = entry
    alone = sum(other.rpartition("/")[0] == key.rpartition("/")[0] for other in HELD[file]) == 1
    if how == "dropped" and (file == MEMORY or ("/" in key and alone)):
        return  # an empty pool is one as well, and so is a parameter that no step has changed yet
    if how == "longer" and file == MEMORY:
        return  # a pool has as many pictures as it has

    def changed(held: dict[str, Tensor]) -> dict[str, Tensor]:
        value = held[key]
        if how in ("dropped", "renamed"):
            del held[key]
        if how in ("renamed", "added"):
            held["foreign::" + key] = value
        if how == "longer":
            held[key] = value.reshape(1, *value.shape).repeat_interleave(2, 0)
        if how == "flat":
            held[key] = torch.zeros(7, 1, 1)
        return held

    folder = shutil.copytree(NEWEST, tmp_path_factory.mktemp("edited") / NEWEST.name)
    edit(folder / file, changed)
    assert misfit(folder, read_inventory(folder), saved) is not None


def test_a_pool_takes_only_pictures_and_of_one_shape() -> None:
    pool = ImagePool()
    with pytest.raises(ValueError, match=r"pictures of shape \[3\]"):
        pool.load_state_dict({"pictures": torch.zeros(3)})
    pool.load_state_dict({"pictures": torch.zeros(2, 3, 4, 4)})
    with pytest.raises(RunError, match="the pool holds pictures of another shape"):
        pool(torch.zeros(1, 3, 8, 8), 2)


# -- optimizers of plugins --------------------------------------------------------------------------------------------


class Counting(torch.optim.SGD):
    """Keeps a number that is no tensor, and which it looks at; it may look at a gradient, too."""

    def __init__(self, parameters: Any, curious: bool = False) -> None:
        super().__init__(parameters, lr=0.1, momentum=0.9)
        self.curious = curious

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if not self.curious or float(parameter.grad.sum()) != 0:
                    state = self.state[parameter]
                    state["seen"] = state.get("seen", 0) + 1


@component
class Counts(Optimizer):
    """Counts its steps."""

    curious: bool = param(False, doc="whether it looks at gradients")

    def build(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """SGD that counts."""
        return Counting(parameters, self.curious)


def counting(curious: bool, steps: int) -> tuple[Optimizers, nn.Module]:
    network = nn.Linear(2, 1)
    optimizers = Optimizers([], {})
    optimizers.add(("train", "G"), Counts(curious=curious), network)
    for _ in range(steps):
        network(torch.ones(1, 2)).sum().backward()
        optimizers.by_key["train", "G"].step()
    return optimizers, network


@pytest.mark.parametrize("curious", [False, True])
def test_an_optimizers_state_besides_tensors_comes_back(tmp_path: Path, curious: bool) -> None:
    def saved(optimizers: Optimizers, network: nn.Module) -> Saved:
        return Saved(
            networks={"G": network},
            metadata={"G": {}},
            average=None,
            optimizers=optimizers,
            memory=Memory({}),
            run={},
        )

    before, network = counting(curious, 3)
    path = Checkpoints(tmp_path, 1).save(3, saved(before, network))
    after, other = counting(curious, 0)
    assert Checkpoints(tmp_path, 1).newest_whole(saved(after, other)) == (path, [])
    Checkpoints(tmp_path, 1).load(path, saved(after, other))
    assert [state["seen"] for state in after.by_key["train", "G"].state.values()] == [3, 3]
    edit(path / ADAM, about=lambda held: {**held, "plain": {}})
    found, problems = Checkpoints(tmp_path, 1).newest_whole(saved(after, other))
    if curious:  # what it holds cannot be known beforehand
        assert found is not None
    else:
        assert found is None and "weight/seen is not there and a number here" in str(problems[0].found)
