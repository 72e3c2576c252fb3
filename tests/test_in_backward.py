"""Parameters updated within the backward pass end as they do after it, bit for bit, and gradients do not pile up."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, RMSprop
from torch.utils.checkpoint import checkpoint

from tests.checkpoint_formats import sums
from tests.exact import RECIPE, Way, assert_same, in_parts, start
from tests.exact import recipe as exact_recipe
from tests.plain_recipes import assert_equal, everything
from tests.test_split_backward import steps, with_speed
from toonforge.errors import RunError
from toonforge.recipe.loading import loads
from toonforge.recipe.model import Recipe
from toonforge.runs.log import read_events
from toonforge.speed import in_backward
from toonforge.speed.fused import fuse
from toonforge.speed.in_backward import StepInBackward, one_by_one
from toonforge.train.step import Training, make_accelerator
from toonforge.train.trainer import train

KINDS: dict[str, Any] = {
    "adam": lambda p: Adam(p, 0.01),
    "adamw": lambda p: AdamW(p, 0.01, amsgrad=True),
    "nadam": lambda p: NAdam(p, 0.01),
    "rmsprop": lambda p: RMSprop(p, 0.01, momentum=0.9),
    "sgd": lambda p: SGD(p, 0.01, momentum=0.9),
    "adagrad": lambda p: Adagrad(p, 0.01),
}


class Chain(nn.Module):
    """Linear layers in the order given: one may come several times, or not at all."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(layers)])

    def forward(self, x: Tensor, order: list[int]) -> Tensor:
        for index in order:
            x = torch.tanh(self.layers[index](x))
        return x


def weights(*networks: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for network in networks for value in network.parameters()]


def same(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


ORDERS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1, max_size=4)


def chains(
    kinds: tuple[str, str], fused: bool, orders: list[list[int]], chunk: int | None, parts: int, shared: bool
) -> list[Tensor]:
    """Two networks trained together through several steps; `chunk`: within the backward pass, or after it if None."""
    first, second = Chain(4), Chain(4)
    if shared:
        second.layers[1] = first.layers[1]
    optimizers = [KINDS[kind](network.parameters()) for kind, network in zip(kinds, (first, second), strict=True)]
    for optimizer in optimizers if fused else ():
        fuse(optimizer)
    stepping = StepInBackward(optimizers if chunk is not None else (), chunk)
    drawn = torch.Generator().manual_seed(1)
    for order in orders:
        for optimizer in optimizers:
            optimizer.zero_grad()
        for part in range(parts):
            x = torch.randn(2, 4, generator=drawn)
            loss = second(first(x, order), [*reversed(order)]).square().mean()
            with stepping.during(optimizers if part == parts - 1 else ()):
                loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    return weights(first, second)


@settings(max_examples=80)
@given(
    kinds=st.tuples(st.sampled_from([*KINDS]), st.sampled_from([*KINDS])),
    fused=st.booleans(),
    orders=ORDERS,
    chunk=st.sampled_from([1, 100, 1 << 20]),
    parts=st.integers(1, 2),
    shared=st.booleans(),
)
def test_the_update_within_the_backward_pass_is_the_one_after_it(
    kinds: tuple[str, str], fused: bool, orders: list[list[int]], chunk: int, parts: int, shared: bool
) -> None:
    within = chains(kinds, fused, orders, chunk, parts, shared)
    assert same(within, chains(kinds, fused, orders, None, parts, shared))


@pytest.mark.parametrize("chunk", [1, 160, 400])
def test_no_more_gradients_are_held_than_a_chunk_and_one(chunk: int) -> None:
    network = Chain(6)
    optimizer = Adam(network.parameters())
    stepping = StepInBackward([optimizer], chunk)
    most = 0
    largest = max(p.nbytes for p in network.parameters())

    def held(*_: Any) -> None:
        nonlocal most
        most = max(most, sum(p.grad.nbytes for p in network.parameters() if p.grad is not None))

    for layer in network.layers:
        layer.register_full_backward_hook(held)
    whole = sum(p.nbytes for p in network.parameters())
    with stepping.during([optimizer]):
        network(torch.randn(2, 4, requires_grad=True), [*range(6)]).sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert most <= chunk + largest < whole


def test_only_optimizers_that_go_parameter_by_parameter_are_taken() -> None:
    class Own(Adam):
        pass

    def build(kind: Any, **how: Any) -> torch.optim.Optimizer:
        return kind([nn.Parameter(torch.zeros(3))], **how)  # type: ignore[no-any-return]

    assert all(one_by_one(build(kind)) for kind in (Adam, AdamW, SGD, RMSprop))
    assert not one_by_one(build(Own)) and not one_by_one(build(torch.optim.LBFGS))
    assert not one_by_one(build(Adam, differentiable=True))
    watched = build(Adam)
    watched.register_step_pre_hook(lambda *_: None)  # it may look at all gradients, as clipping does
    assert not one_by_one(watched)


class Reentrant(nn.Module):
    """A layer called twice, each time by a checkpoint with a backward pass of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = checkpoint(self.layer, x, use_reentrant=True)
        return x


def test_a_gradient_that_comes_in_pieces_is_refused_and_leaves_nothing_behind() -> None:
    network = Reentrant()
    optimizer = SGD(network.parameters(), 0.1)
    stepping = StepInBackward([optimizer], 1)
    with pytest.raises(RunError, match="step-in-backward") as caught, stepping.during([optimizer]):
        network(torch.randn(2, 4, requires_grad=True)).sum().backward()
    assert caught.value.problems[0].key == "train.speed"
    optimizer.zero_grad()
    before = weights(network)
    network.layer(torch.randn(2, 4)).sum().backward()
    assert same(weights(network), before), "outside of `during`, nothing is updated"
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_frozen_parameters_stay_frozen_and_can_be_trained_later() -> None:
    network = Chain(2).requires_grad_(False)
    optimizer = SGD(network.parameters(), 0.1)
    stepping = StepInBackward([optimizer], 1)
    assert not any(p.requires_grad for p in network.parameters())
    before = weights(network)
    network.requires_grad_(True)
    with stepping.during([optimizer]):
        network(torch.randn(2, 4), [0, 1]).sum().backward()
    assert not any(torch.equal(one, other) for one, other in zip(weights(network), before, strict=True))


# -- in a training ----------------------------------------------------------------------------------------------------

OURS = ("step-in-backward", "fused-optimizers", "keep-pages")


def trained(speed: tuple[str, ...], more: str = "") -> tuple[Training, dict[str, Tensor]]:
    recipe = loads(RECIPE.format(train=f"speed = {json.dumps(speed)}\n{more}"))
    training = Training(recipe, 8, 4, make_accelerator(recipe.train.precision, cpu=True))
    drawn = torch.Generator().manual_seed(3)
    fields = ("photo", "anime")
    for step in range(8):
        count = recipe.train.accumulate
        batch = {field: torch.rand(2, 3, 8, 8, generator=drawn) * 2 - 1 for field in fields}
        parts = [{field: value.chunk(count)[i] for field, value in batch.items()} for i in range(count)]
        training.step(step, parts)
        training.read()
    return training, everything(training)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("more", ["", "accumulate = 2", "clip = 0.5"])
@pytest.mark.parametrize("others", [(), ("fused-optimizers",), ("split-backward",)])
def test_a_training_with_it_is_the_one_without_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...], more: str
) -> None:
    monkeypatch.setattr(in_backward, "CHUNK", 64)
    training, ours = trained(("step-in-backward", *others), more)
    _, theirs = trained(others, more)
    assert ("step-in-backward" in training.speed) == ("clip" not in more)
    assert ours.keys() == theirs.keys() and same([*ours.values()], [*theirs.values()])


@pytest.mark.usefixtures("tiny")
def test_in_fp64_all_three_change_nothing_but_rounding() -> None:
    for more in ('precision = "fp64"', 'precision = "fp64"\naccumulate = 2'):
        training, ours = trained(OURS, more)
        _, theirs = trained((), more)
        assert {*training.speed.tricks} == {*OURS}
        far = {key: float((value - theirs[key]).abs().max()) for key, value in ours.items()}
        # Before a norm, a bias has a gradient of mere rounding, of which Adam makes steps of any size.
        assert max(value for key, value in far.items() if "0.bias" not in key) < 1e-10, far


@pytest.mark.usefixtures("tiny")
def test_a_run_with_all_three_that_is_killed_and_stopped_equals_one_in_one_go(tmp_path: Path) -> None:
    recipe = exact_recipe(f"speed = {json.dumps(OURS)}")
    train(recipe, folder=tmp_path / "whole", cpu=True)
    in_parts(recipe, tmp_path / "parts", [Way("kill", 3), Way("stop", 5), Way("kill", 7)])
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=(5,))
    (begun, *_) = read_events(tmp_path / "parts")
    assert {*begun["speed"]["tricks"]} == {*OURS}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("first", "then"), [("safe", OURS), (OURS, "safe"), ("safe", "auto"), ("auto", "safe")])
def test_a_run_goes_on_with_other_tricks(tmp_path: Path, first: Any, then: Any) -> None:
    def recipe(speed: Any) -> Recipe:
        return exact_recipe(f"speed = {json.dumps(speed)}")

    train(recipe("safe"), folder=tmp_path / "whole", cpu=True)
    assert start(tmp_path / "run", Way("stop", 5), recipe(first)).step == 5
    assert train(recipe(then), folder=tmp_path / "run", resume=True, cpu=True).step == 8
    changes = [e["change"] for e in read_events(tmp_path / "run") if e["event"] == "changed"]
    assert len(changes) == 1 and "train.speed" in changes[0]
    ours, theirs = (sums(tmp_path / name / "checkpoints/step-000008") for name in ("run", "whole"))
    assert ours.keys() == theirs.keys()
    # Before a norm, a bias has a gradient of mere rounding, of which Adam makes steps of any size.
    kept = {key for key in ours if "0.bias" not in key}
    assert {key: ours[key] for key in kept} == pytest.approx({key: theirs[key] for key in kept}, rel=1e-3, abs=1e-4)


PENALTY = 'penalty = { type = "gradient-penalty", discriminator = "D", real = "photo", fake = "anime", weight = 10 }'
CALLS = {
    "one": 'both = { type = "l1", input = "D(photo)", target = "D(anime)" }',
    "several": """
        real = { type = "wasserstein", logits = "D(photo)", real = true }
        fake = { type = "wasserstein", logits = "D(anime)", real = false }""",
    "detached": """
        real = { type = "wasserstein", logits = "D(photo)", real = true }
        kept = { type = "l1", input = "H(photo)", target = "pool(D(gray(anime)))" }""",
}
SIDES = ("split-backward", "batched-calls", "fused-optimizers")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("penalty", ["first", "last", "none"])
@pytest.mark.parametrize("called", [*CALLS])
def test_a_network_is_updated_once_after_all_that_looks_at_it(called: str, penalty: str) -> None:
    """A penalty is lent the network that other losses call; it may come in a group of its own."""
    losses = [PENALTY, CALLS[called]] if penalty == "first" else [CALLS[called], PENALTY]
    text = """
        name = "penalties"
        data = { type = "tiny/pictures" }
        discriminators.D = { type = "tiny/discriminator" }
        discriminators.H = { type = "tiny/discriminator" }
        [train]
        steps = 3
        batch_size = 4
        precision = "fp64"
        optimizer = { type = "sgd", lr = 1e-2, momentum = 0.9 }
        [phases.p]
        updates = ["D", "H"]
        [phases.p.losses]
        other = { type = "l1", input = "H(photo)", target = "H(anime)" }
        """
    recipe = loads(text + "\n".join(losses if penalty != "none" else [CALLS[called]]))
    expected = steps(with_speed(recipe, "safe"), 3)
    for count in range(len(SIDES) + 1):
        for others in combinations(SIDES, count):
            assert_equal(expected, steps(with_speed(recipe, ("step-in-backward", *others)), 3), 1e-10)


def test_a_parameter_of_two_networks_waits_for_the_whole_phase() -> None:
    """The gradient of one network may be complete in an earlier backward pass than that of the other."""

    def after(within: bool) -> list[Tensor]:
        one, other = Chain(2), Chain(2)
        other.layers[1] = one.layers[1]
        optimizers = [SGD(network.parameters(), 0.1, momentum=0.9) for network in (one, other)]
        stepping = StepInBackward(optimizers if within else (), 1)
        x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
        for _ in range(2):
            for optimizer in optimizers:
                optimizer.zero_grad()
            with stepping.phase(optimizers):
                for network, optimizer in zip((one, other), optimizers, strict=True):
                    with stepping.during([optimizer]):
                        network(x, [0, 1]).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
        return weights(one, other)

    assert same(after(True), after(False))


def test_a_gradient_that_comes_after_its_update_is_refused_within_a_phase_alone() -> None:
    network = Chain(2)
    optimizer = SGD(network.parameters(), 0.1)
    stepping = StepInBackward([optimizer], 1)

    def differentiate() -> None:
        with stepping.during([optimizer]):
            network(torch.randn(2, 4), [0, 1]).sum().backward()

    with stepping.phase([optimizer]):
        differentiate()
        with pytest.raises(RunError, match="several pieces"):
            network(torch.randn(2, 4), [0, 1]).sum().backward()
    optimizer.zero_grad()
    with stepping.phase([optimizer]):
        differentiate()
    assert all(parameter.grad is None for parameter in network.parameters())


MEASURED = """
import sys
import torch
from torch import nn
from toonforge.speed.fused import fuse
from toonforge.speed.in_backward import StepInBackward

torch.set_num_threads(1)
network = nn.Sequential(*(nn.Linear(2048, 2048) for _ in range(20)))  # 336 MB
optimizer = torch.optim.Adam(network.parameters())
fuse(optimizer)
stepping = StepInBackward([optimizer] if sys.argv[1] == "within" else ())
for _ in range(3):
    with stepping.during([optimizer]):
        network(torch.ones(1, 2048)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
with open("/proc/self/status") as file:
    print(next(line.split()[1] for line in file if line.startswith("VmHWM")))
"""


@pytest.mark.soak
def test_the_process_is_smaller_by_a_networks_gradients() -> None:
    """Two processes that import torch: pytest -m soak tests/test_in_backward.py."""

    def peak(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", MEASURED, how], capture_output=True, text=True, check=True)
        return int(done.stdout) << 10

    assert peak("after") - peak("within") > 120e6
