"""`batched-calls`: calls of one network within a phase are made as one, with the same result."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.plain_recipes import EVERY, assert_equal, plain, trained
from tests.ranks import together
from tests.test_engine_equality import CYCLEGAN
from tests.test_split_backward import (
    COMPILER,
    LOSSES,
    losses_of_a_phase,
    one_phase,
    recipe_of,
    steps,
    updated,
    whole,
    with_speed,
)
from tests.tiny import TinyDiscriminator, TinyGenerator
from toonforge import recipe as recipes
from toonforge.recipe.model import Recipe
from toonforge.speed.capture import equal, host_states
from toonforge.speed.choice import choose
from toonforge.speed.tricks import Situation
from toonforge.train.batching import Together, is_independent, takes_batches
from toonforge.train.graph import Arguments
from toonforge.train.groups import walk
from toonforge.train.step import Training, make_accelerator

BATCHED = ("batched-calls",)
BOTH = ("batched-calls", "split-backward")


def calls(recipe: Recipe, steps: int = 1, of_pictures: bool = False) -> Counter[str]:
    """How often each network is called in the last of some steps of two pictures; or of how many pictures."""
    training = Training(recipe, 10, 4, make_accelerator(recipe.train.precision, cpu=True))
    counted: Counter[str] = Counter()
    for name, network in training.networks.items():
        network.register_forward_hook(
            lambda _, inputs, __, name=name: counted.update({name: len(inputs[0]) if of_pictures else 1})
        )
    shapes = {field: shape for group in recipe.data.groups().values() for field, shape in group.items()}
    for step in range(steps):
        counted.clear()
        training.step(step, [{field: torch.rand(2, *shape) * 2 - 1 for field, shape in shapes.items()}])
    return counted


# -- which calls are made together -----------------------------------------------------------------------------------


@given(
    losses=losses_of_a_phase,
    updates=updated,
    batched=st.just(frozenset("GFDV")) | st.frozensets(st.sampled_from("GFDV")),
    changing=st.just(frozenset[str]()) | st.frozensets(st.sampled_from("GFDV")),
)
def test_calls_made_together_are_of_one_network_and_do_not_wait_for_each_other(
    losses: dict[str, Arguments], updates: list[str], batched: frozenset[str], changing: frozenset[str]
) -> None:
    roots = [node for arguments in losses.values() for node in arguments.nodes.values()]
    nodes = walk(roots, COMPILER.signals)
    sets = Together(roots, frozenset(updates), COMPILER.signals, batched - changing, changing).sets
    texts = [text for found in sets for text in found]
    assert len(texts) == len(set(texts)), "a call is made twice"
    below = {text: walk(nodes[text].arguments, COMPILER.signals).keys() for text in texts}
    for found in sets:
        assert len(found) > 1
        assert len({nodes[text].name for text in found}) == 1 and nodes[min(found)].name in batched
        for text in found:
            assert nodes[text].below & frozenset(updates), "no gradient of this phase"
            assert not nodes[text].below & changing, "the order of calls that change a network"
            assert not below[text] & found, "one waits for another"
    # All sets together can be put in an order: each step takes a set whose calls wait for no set that is left.
    left = list(sets)
    while left:
        ready = [s for s in left if not any(below[text] & other for text in s for other in left if other is not s)]
        assert ready, "sets wait for each other"
        left = [s for s in left if s not in ready]


def test_cyclegans_identities_ride_along(tiny: None) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train="").replace('speed = "safe"\n', ""))
    assert calls(with_speed(recipe, "safe"), 5) == {"G": 3, "F": 3, "D_anime": 3, "D_photo": 3}
    # G: fake with identity, cycle. D: fool in the first phase, the real with the pooled fake in the second.
    assert calls(with_speed(recipe, BATCHED), 5) == {"G": 2, "F": 2, "D_anime": 2, "D_photo": 2}
    assert calls(with_speed(recipe, BOTH), 5) == {"G": 2, "F": 2, "D_anime": 2, "D_photo": 2}


def test_a_signal_of_an_earlier_phase_is_not_called_again(tiny: None) -> None:
    """G(photo) is there with its gradient when the generator's phase begins: its identity has nothing to ride with."""
    recipe = recipes.loads(
        """
        name = "order"
        data = { type = "tiny/pictures" }
        generators.G = { type = "tiny/generator" }
        discriminators.D = { type = "tiny/discriminator" }
        signals.fake = "G(photo)"
        train = { steps = 1, batch_size = 2, speed = ["batched-calls"] }
        [phases.discriminator]
        updates = ["D"]
        losses.fakes = { type = "lsgan", logits = "D(fake)", real = false }
        losses.reals = { type = "lsgan", logits = "D(anime)", real = true }
        [phases.generator]
        updates = ["G"]
        losses.fool = { type = "lsgan", logits = "D(fake)", real = true }
        losses.identity = { type = "l1", input = "G(anime)", target = "anime" }
        """
    )
    assert calls(recipe) == {"G": 2, "D": 2}
    assert calls(recipe, of_pictures=True) == {"G": 4, "D": 6}


def test_a_signal_that_is_evaluated_again_is_called_with_the_others(tiny: None) -> None:
    """G has stepped since the first phase called it for `fake`."""
    recipe = recipes.loads(
        """
        name = "again"
        data = { type = "tiny/pictures" }
        generators.G = { type = "tiny/generator" }
        signals.fake = "G(photo)"
        train = { steps = 1, batch_size = 2, speed = ["batched-calls"] }
        [phases.first]
        updates = ["G"]
        losses.near = { type = "l1", input = "fake", target = "anime" }
        [phases.second]
        updates = ["G"]
        losses.identity = { type = "l1", input = "G(anime)", target = "anime" }
        losses.near = { type = "l1", input = "fake", target = "photo" }
        """
    )
    assert calls(recipe) == {"G": 1 + 1}


class Wide(nn.Module):
    """Its pictures see each other where they are larger than 8 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[-1] <= 8 else x + x.mean(0)


def test_calls_of_other_shapes_are_made_apart_and_tried_apart(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    build = TinyDiscriminator.build
    monkeypatch.setattr(TinyDiscriminator, "build", lambda self: nn.Sequential(Wide(), build(self)))
    recipe = recipes.loads(
        """
        name = "shapes"
        data = { type = "tiny/pictures" }
        discriminators.D = { type = "tiny/discriminator" }
        train = { steps = 3, batch_size = 2, speed = ["batched-calls"] }
        [phases.p]
        updates = ["D"]
        losses.reals = { type = "lsgan", logits = "D(photo)", real = true }
        losses.fakes = { type = "lsgan", logits = "D(anime)", real = false }
        """
    )
    training = Training(recipe, 3, 3, make_accelerator("fp32", cpu=True))
    counted: list[int] = []
    training.networks["D"].register_forward_hook(lambda _, inputs, __: counted.append(len(inputs[0])))
    for step, sides in enumerate([(8, 8), (8, 12), (12, 12)]):
        training.step(step, [{f: torch.rand(2, 3, n, n) for f, n in zip(("photo", "anime"), sides, strict=True)}])
    assert counted == [4, *(2, 2), *(2, 2)]


@pytest.mark.parametrize(
    ("network", "takes"),
    [
        (TinyGenerator(), True),
        (TinyGenerator(dropout=0.5), False),
        (TinyDiscriminator(norm=True), False),
    ],
)
def test_networks_that_draw_or_change_take_no_batches(network: Any, takes: bool) -> None:
    built = network.build()
    assert takes_batches(built.train()) is takes
    assert takes_batches(built.eval())


class Spread(nn.Module):
    """Adds how far the pictures of a batch are apart."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return x + self.share * (x - x.mean(0)).square().mean()


class Drawn(nn.Module):
    """Drops features without a layer that says so."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.1, training=True)


class Counted(nn.Module):
    """Looks at how many pictures there are."""

    def forward(self, x: Tensor) -> Tensor:
        return x * len(x)


class Shifted(nn.Module):
    """Adds a share of the picture before; or of the one after it."""

    def __init__(self, by: int) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        shifted = x.roll(self.by, 0)
        return x + 1e-3 * torch.cat([0 * shifted[:1], shifted[1:]] if self.by > 0 else [shifted[:-1], 0 * x[-1:]])


class Centred(nn.Module):
    """Takes a share of the batch's mean off, through which no gradient passes."""

    def forward(self, x: Tensor) -> Tensor:
        return x - 1e-4 * x.detach().mean()


class Straight(nn.Module):
    """Passes a gradient to the other pictures, but nothing of them on."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.mean(0) - x.mean(0).detach()


class Drawing(nn.Module):
    """Adds noise of Python's or numpy's, or of a generator of its own."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.01 * self.draw()


class More(nn.Module):
    """Is a percent brighter for each picture of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 0.01 * len(x))


INDEPENDENT = [
    (nn.Conv2d(3, 4, 3), True),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.ReLU()), True),
    (nn.GroupNorm(1, 3), True),
    (nn.BatchNorm2d(3, track_running_stats=False), False),
    (Spread(1e-4), False),
    (Drawn(), False),
    (Counted(), False),
    (More(), False),
    (Shifted(1), False),
    (Shifted(-1), False),
    (Centred(), False),
    (Straight(), False),
    (Drawing(random.random), False),
    (Drawing(np.random.rand), False),
    (Drawing(random.Random(0).random), False),
    (Drawing(lambda: 0.5), True),
]


@pytest.mark.parametrize(("network", "expected"), INDEPENDENT, ids=[type(n).__name__ for n, _ in INDEPENDENT])
def test_a_network_is_independent_where_no_picture_sees_another(network: nn.Module, expected: bool) -> None:
    before = torch.get_rng_state(), host_states()
    assert is_independent(network, [torch.zeros(5, 3, 8, 8)]) is expected
    assert equal((torch.get_rng_state(), host_states()), before), "it drew from the step's random states"
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_whose_pictures_see_each_other_is_called_as_written(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = TinyGenerator.build
    monkeypatch.setattr(TinyGenerator, "build", lambda self: nn.Sequential(build(self), Spread(0.1)))
    recipe = recipes.loads(
        CYCLEGAN.format(data="", train='precision = "fp64"\noptimizer = { type = "sgd", lr = 1e-3 }').replace(
            'speed = "safe"\n', ""
        )
    )
    assert calls(with_speed(recipe, BATCHED))["G"] == 3
    assert_equal(steps(with_speed(recipe, "safe"), 2), steps(with_speed(recipe, BATCHED), 2), 1e-10)


# -- equal to the step as written ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cyclegan/cyclegan", "toon2real/without-spectral-norm", "cartoongan/cartoongan"])
def test_equal_to_the_step_as_written(name: str) -> None:
    recipe = whole(name)
    count = recipe.train.steps or 1
    expected = steps(with_speed(recipe, "safe"), count)
    assert_equal(expected, steps(with_speed(recipe, BATCHED), count), 1e-10)
    assert_equal(expected, steps(with_speed(recipe, BOTH), count), 1e-10)


@pytest.mark.soak
@pytest.mark.parametrize("speed", [BATCHED, BOTH], ids=["alone", "in-groups"])
@pytest.mark.parametrize("name", EVERY)
def test_every_recipe_is_equal_to_its_steps_as_written(name: str, speed: tuple[str, ...]) -> None:
    """pytest -m soak tests/test_batched_calls.py -k every_recipe"""
    for recipe in (whole(name), plain(name)):
        count = recipe.train.steps or 1
        assert_equal(steps(with_speed(recipe, "safe"), count), steps(with_speed(recipe, speed), count), 1e-10)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    phases=st.lists(one_phase, min_size=1, max_size=3),
    dropout=st.sampled_from([0.0, 0.0, 0.5]),
    norm=st.sampled_from(["true", "false", "false"]),
    parts=st.sampled_from([1, 2]),
    clip=st.sampled_from(["", "clip = 0.1"]),
    speed=st.sampled_from([BATCHED, BOTH]),
)
def test_any_phases_are_equal_to_their_steps_as_written(
    tiny: None, phases: list[tuple[list[str], list[str]]], speed: tuple[str, ...], **settings: Any
) -> None:
    recipe = recipe_of(phases, **settings)
    parts = recipe.train.accumulate
    assert_equal(steps(with_speed(recipe, "safe"), 3, parts), steps(with_speed(recipe, speed), 3, parts), 1e-10)


def test_the_phases_of_the_property_have_calls_to_batch(tiny: None) -> None:
    """Else it would say nothing."""
    recipe = recipe_of([(["G", "F"], list(LOSSES))], dropout=0.0, norm="false", parts=1, clip="")
    before, after = calls(with_speed(recipe, "safe")), calls(with_speed(recipe, BATCHED))
    assert after["G"] < before["G"] and after["F"] < before["F"] and after["D"] < before["D"]


def test_two_processes_train_in_batches_like_one_as_written() -> None:
    recipe = plain("cyclegan/cyclegan", steps=1)
    (one,) = together(1, lambda rank: trained(with_speed(recipe, "safe")))
    for other in together(2, lambda rank: trained(with_speed(recipe, BOTH))):
        assert_equal(one, other)


def test_auto_batches_calls_on_cuda_alone() -> None:
    assert "batched-calls" in choose("auto", Situation(device="cuda"))
    assert "batched-calls" not in choose("auto", Situation(device="cpu"))
    assert "batched-calls" in choose(BATCHED, Situation(device="cpu"))
