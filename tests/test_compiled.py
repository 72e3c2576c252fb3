"""Networks compiled for a step: the same numbers, the same modules, and nothing is compiled twice."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor, nn

from tests.plain_recipes import everything
from toonforge.components import changed
from toonforge.errors import RunError
from toonforge.recipe import load, loads
from toonforge.recipe.model import Recipe
from toonforge.speed.compiled import Compiled
from toonforge.speed.tricks import TRICKS, Situation
from toonforge.train.step import Training, make_accelerator

pytestmark = pytest.mark.usefixtures("tiny")

HEAD = """
name = "compiled"
data = { type = "tiny/pictures", paired = true }
generators.G = { type = "tiny/generator", dropout = 0.5 }
discriminators.D = { type = "cyclegan/patchgan", width = 4, layers = 1, spectral_norm = true }
signals.fake = "G(photo)"
[phases.judge]
updates = ["D"]
losses.reals = { type = "lsgan", logits = "D(anime)", real = true }
losses.fakes = { type = "lsgan", logits = "D(pool(fake, 2))", real = false }
[phases.make]
updates = ["G"]
every = 2
losses.fool = { type = "lsgan", logits = "D(fake)", real = true }
losses.pixels = { type = "l1", input = "fake", target = "anime" }
[train]
steps = 4
batch_size = 2
"""
PENALTY = 'losses.penalty = { type = "gradient-penalty", discriminator = "D", real = "anime", fake = "fake" }\n'
NAMES = {"photo": 0.2, "anime": -0.3}


def training_of(recipe: Recipe) -> Training:
    return Training(recipe, 4, 4, make_accelerator(recipe.train.precision, cpu=True))


def recipe_of(precision: str = "fp64", more: str = "") -> Recipe:
    text = HEAD.replace("[phases.make]", more + "[phases.make]")
    text = text.replace(", spectral_norm = true", "") if more else text
    return loads(text + f'precision = "{precision}"\n')


def train(training: Training, steps: int = 4, side: int = 16) -> list[Mapping[str, float]]:
    losses = []
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        parts = [{name: torch.rand(2, 3, side, side, generator=generator) * 2 - 1 for name in NAMES}]
        training.step(step, parts)
        losses.append({**training.read()[0]})
    return losses


def compile_all(training: Training, backend: Any = "aot_eager") -> None:
    training.compiled = Compiled(training._compilable(), backend)


@attrs.define
class Counting:
    """A backend that counts what it is given and computes it as written."""

    graphs: int = 0

    def __call__(self, module: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        self.graphs += 1
        return module.forward


def assert_close(one: Mapping[str, Tensor], other: Mapping[str, Tensor], tolerance: float) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.allclose(value, other[key], rtol=tolerance, atol=tolerance), key


@pytest.mark.parametrize("more", ["", PENALTY], ids=["spectral", "penalty"])
def test_the_same_numbers_with_dropout_power_iterations_and_penalties(more: str) -> None:
    plain, compiled = training_of(recipe_of(more=more)), training_of(recipe_of(more=more))
    compile_all(compiled, "aot_eager" if more else Counting())  # to differentiate a power iteration takes seconds
    ours, theirs = train(compiled), train(plain)
    assert ours == [pytest.approx(row, rel=1e-10) for row in theirs]
    assert_close(everything(compiled), everything(plain), 1e-10)


def test_autocast_is_compiled_along() -> None:
    plain, compiled = training_of(recipe_of("bf16")), training_of(recipe_of("bf16"))
    backend = Counting()
    compile_all(compiled, backend)
    for row, other in zip(train(compiled, 2), train(plain, 2), strict=True):
        assert row == pytest.approx(other, rel=0.02)
    assert backend.graphs > 0


def test_a_step_is_compiled_once_for_each_kind_of_step() -> None:
    training = training_of(recipe_of())
    backend = Counting()
    compile_all(training, backend)
    train(training, 2)  # every second step trains G too
    known = backend.graphs
    assert known > 0
    train(training, 4)
    assert backend.graphs == known


def test_outside_of_a_step_nothing_is_compiled_and_nothing_was_renamed() -> None:
    training = training_of(recipe_of())
    names = {name: list(network.state_dict()) for name, network in training.networks.items()}
    backend = Counting()
    compile_all(training, backend)
    train(training, 1)
    known = backend.graphs
    for network in training.networks.values():
        assert "forward" not in vars(network)
        copied = copy.deepcopy(network)
        copied(torch.rand(1, 3, 24, 24, dtype=torch.float64))
    with training.compiled.active():
        assert names == {name: list(network.state_dict()) for name, network in training.networks.items()}
    assert backend.graphs == known


def test_what_accelerate_put_in_place_of_forward_is_put_back() -> None:
    training = training_of(recipe_of("bf16"))
    before = {name: vars(network)["forward"] for name, network in training.networks.items()}
    compile_all(training)
    with pytest.raises(ZeroDivisionError), training.compiled.active():
        raise ZeroDivisionError
    assert before == {name: vars(network)["forward"] for name, network in training.networks.items()}


def test_networks_that_losses_are_lent_stay_as_they_are() -> None:
    assert set(training_of(recipe_of())._compilable()) == {"G", "D"}
    assert set(training_of(recipe_of(more=PENALTY))._compilable()) == {"G"}


def test_a_compiler_that_fails_is_told_in_words() -> None:
    def failing(module: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        raise OSError("no space for kernels")

    network = nn.Conv2d(3, 3, 1)
    with pytest.raises(RunError) as caught, Compiled({"G": network}, failing).active():  # type: ignore[arg-type]
        network(torch.rand(1, 3, 4, 4))
    (problem,) = caught.value.problems
    assert "the network G" in problem.message and "no space for kernels" in problem.found
    assert "train.speed" in (problem.key or "") and "compile" in (problem.hint or "")


def test_no_compiler_no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    trick = TRICKS["compile"]
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name == "clang" else None)
    assert trick.impossible(Situation(device="cpu")) is None
    assert trick.useless(Situation(device="cpu")) is not None
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "compiler" in (trick.impossible(Situation(device="cpu")) or "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "triton" in (trick.impossible(Situation(device="cuda")) or "")
    assert trick.impossible(Situation(device="mps")) is not None


@pytest.mark.soak
@pytest.mark.parametrize("name", ["cyclegan/cyclegan", "pix2pix/pix2pix", "cartoongan/cartoongan"])
def test_kernels_of_inductor_compute_the_same(name: str) -> None:
    """Minutes: `pytest -m soak tests/test_compiled.py`."""
    from toonforge.testing.recipes import shrink

    recipe = shrink(load(name), 1)
    recipe = attrs.evolve(recipe, metrics={}, train=changed(recipe.train, precision="fp64", speed="safe"))
    trainings = [training_of(recipe), training_of(recipe)]
    compile_all(trainings[0], "inductor")
    ours, theirs = (losses_on_its_own_pictures(training) for training in trainings)
    assert ours == [pytest.approx(row, rel=1e-8) for row in theirs]


def losses_on_its_own_pictures(training: Training) -> list[Mapping[str, float]]:
    from toonforge.data.loader import TrainLoader

    loader = TrainLoader(
        training.recipe.data.build("train"), seed=0, batch_size=training.recipe.train.batch_size, total_steps=2
    )
    losses = []
    for step, batch in enumerate(loader):
        training.step(step, batch.parts)
        losses.append({**training.read()[0]})
    return losses


def test_compiling_goes_together_with_the_other_tricks() -> None:
    others = [name for name in TRICKS if name not in ("compile", "cuda-graphs", "keep-pages")]
    recipe = attrs.evolve(recipe_of("fp64"), train=changed(recipe_of("fp64").train, speed=tuple(others)))
    plain, compiled = training_of(recipe), training_of(recipe)
    backend = Counting()
    compile_all(compiled, backend)
    ours, theirs = train(compiled, 2), train(plain, 2)
    assert ours == [pytest.approx(row, rel=1e-10) for row in theirs]
    assert backend.graphs > 0
