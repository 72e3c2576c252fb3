"""What the engine adds to a step: counted, not timed. Times are measured by `python benchmarks/by_hand.py`."""

from __future__ import annotations

import gc
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from toonforge import recipe as recipes
from toonforge.components import Count, changed
from toonforge.plugins.loader import Plugins
from toonforge.recipe.model import LogRule
from toonforge.train.seeds import derive, seed_call, seed_step
from toonforge.train.step import Training, make_accelerator
from toonforge.train.trainer import train

ROOT = Path(__file__).parent.parent
FEW = {"detach", "isfinite", "bitwise_and", "add", "ones", "abs", "ne", "eq", "mul", "expand", "new_full", "fill"}
"""What the engine may compute besides: it keeps the losses, and whether all were finite."""
A_LOSS = 6
"""Operations more than by hand, at most, for each loss."""


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import by_hand

    return by_hand


class Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__.rstrip("_")] += 1
        return func(*args, **(kwargs or {}))


def pictures(recipe: Any, step: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    fields = [(field, shape) for group in recipe.data.groups().values() for field, shape in group.items()]
    return {f: torch.randint(0, 256, (1, *shape), dtype=torch.uint8, generator=generator) for f, shape in fields}


@pytest.mark.parametrize("speed", ["safe", "auto"])
@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_a_step_computes_what_one_by_hand_computes_and_little_else(
    by_hand: ModuleType, method: str, speed: str
) -> None:
    recipe = by_hand.recipe_of(method, 32, 2, 1, 4, speed)
    training = Training(recipe, 4, 16, make_accelerator("fp32", cpu=True))
    hand = by_hand.METHODS[method](training)
    for step in range(3):
        batch = pictures(recipe, step)
        with Counting() as ours:
            training.step(step, [batch])
        seed_call(recipe.train.seed, step, 0, 0, "G(cartoon)")
        with Counting() as theirs:
            hand.step(batch)
    losses = sum(len(phase.losses) for phase in recipe.phases.values())
    more = ours.counts - theirs.counts
    assert set(more) <= FEW, more
    assert more.total() <= A_LOSS * losses, more
    if (method, speed) == ("cyclegan", "safe"):
        return  # the recipe adds up its losses in another order than they are written by hand
    # And it is the same step: the weights are equal, bit for bit.
    for name, network in training.networks.items():
        for (key, one), other in zip(
            network.state_dict().items(), hand.networks[name].state_dict().values(), strict=True
        ):
            assert torch.equal(one, other), f"{name}.{key}"


def test_a_training_in_turns_with_steps_by_hand_begins_with_the_same_losses(by_hand: ModuleType) -> None:
    turns = by_hand.measure(by_hand.recipe_of("pix2pix", 32, 1, 1, 3, "auto"), "pix2pix", cpu=True)
    assert turns.worst == 0
    assert [len(times) for times in (turns.by_hand, turns.steps, turns.between)] == [3, 3, 2]


def test_a_step_does_not_go_through_the_modules_of_networks(
    by_hand: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = by_hand.recipe_of("cyclegan", 32, 1, 1, 3, "auto")
    training = Training(recipe, 3, 16, make_accelerator("fp32", cpu=True))
    training.step(0, [pictures(recipe, 0)])
    walks: list[str] = []
    for name in ("named_modules", "named_parameters", "named_buffers", "requires_grad_", "train"):
        before = getattr(nn.Module, name)
        monkeypatch.setattr(
            nn.Module, name, lambda self, *a, _n=name, _f=before, **k: (walks.append(_n), _f(self, *a, **k))[1]
        )
    training.step(1, [pictures(recipe, 1)])
    assert not walks


def test_a_step_seeds_no_device_that_it_does_not_use(by_hand: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = by_hand.recipe_of("pix2pix", 32, 1, 1, 2, "auto")
    training = Training(recipe, 2, 16, make_accelerator("fp32", cpu=True))
    seeded: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    training.step(0, [pictures(recipe, 0)])
    assert not seeded


@pytest.mark.parametrize(("seed", "step", "text"), [(0, 0, "G(photo)"), (2**62, 10**6, "pool(fake, 3)"), (7, 3, "")])
def test_streams_are_those_of_torchs_own_seeding(seed: int, step: int, text: str) -> None:
    seed_call(seed, step, 1, 2, text)
    ours = torch.rand(5)
    torch.manual_seed(derive(seed, "call", step, 1, 2, text))
    assert torch.equal(ours, torch.rand(5))
    seed_step(seed, step, 2)
    ours = torch.randn(5)
    torch.manual_seed(derive(seed, "step", step, 2))
    assert torch.equal(ours, torch.randn(5))


def test_losses_are_read_at_logging_points_and_nowhere_else(
    tiny: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = recipes.loads("""
    name = "reads"
    data = { type = "tiny/pictures", fields = ["photo"] }
    generators.G = { type = "tiny/generator" }
    [train]
    steps = 12
    batch_size = 1
    [phases.one]
    updates = ["G"]
    losses.a = { type = "l1", input = "G(photo)", target = "photo" }
    """)
    recipe = attrs.evolve(recipe, train=changed(recipe.train, log=LogRule(every=Count(steps=5))))
    reads: list[int] = []
    read = Training.read

    def counted(self: Training) -> Any:
        reads.append(self.now + 1)
        return read(self)

    monkeypatch.setattr(Training, "read", counted)
    train(recipe, folder=tmp_path / "run", cpu=True)
    assert reads == [1, 5, 10, 12]


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_loading_plugins_leaves_the_garbage_collection_as_it_was(
    monkeypatch: pytest.MonkeyPatch, collecting: bool, fails: bool
) -> None:
    seen: list[bool] = []

    def load(self: Plugins) -> None:
        seen.append(gc.isenabled())
        if fails:
            raise KeyboardInterrupt

    monkeypatch.setattr(Plugins, "_load_all", load)
    before = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        with pytest.raises(KeyboardInterrupt) if fails else nullcontext():
            Plugins(distributions=()).load()
        assert (seen, gc.isenabled()) == ([False], collecting)
    finally:
        (gc.enable if before else gc.disable)()
