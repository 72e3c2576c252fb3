"""No step waits for the device or changes its shapes: shown on torch's device `meta`, whose tensors have no numbers.

Whoever asks such a tensor for a number, for the places of its nonzero elements or for a copy on the processor gets an
error, where a GPU would silently make the program wait until all that was queued is computed. What the host draws by
itself (which picture of a pool, how far to shift) lies on the processor, as in a training on a GPU.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.plain_recipes import PACKAGED
from toonforge import recipe as recipes
from toonforge.components import changed
from toonforge.ops import Gray
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import dump
from toonforge.registries import ops
from toonforge.testing.recipes import shrink
from toonforge.train import batching
from toonforge.train.step import Training

DEVICE = torch.device("meta")

Call = tuple[str, tuple[tuple[int, ...], ...]]
"""An operation on the device, and the shapes of what it gives."""


TRIED: list[tuple[Any, ...]] = []
"""Networks that were tried, with the shapes of their inputs and the numbers they were called with."""


@pytest.fixture(autouse=True)
def _networks_that_treat_pictures_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a network does is tried by numbers, and waited for, once for each shape that it is called with."""
    TRIED.clear()

    def tried(network: nn.Module, inputs: Sequence[Any]) -> bool:
        numbers = [
            value for value in inputs if isinstance(value, int | float)
        ]  # each is another function of the network
        TRIED.append((network, *(tuple(value.shape) for value in tensors(inputs)), *numbers))
        return True

    monkeypatch.setattr(batching, "is_independent", tried)


class Accelerator(SimpleNamespace):
    """What `Training` asks of an Accelerator, for a device that Accelerate does not know."""

    def __init__(self) -> None:
        alone = SimpleNamespace(value="NO")
        super().__init__(device=DEVICE, num_processes=1, process_index=0, is_main_process=True, distributed_type=alone)

    def prepare_model(self, network: nn.Module, **_: Any) -> nn.Module:
        return network.to(DEVICE)


class Watching(TorchDispatchMode):
    """Writes down what is computed on the device, and refuses what would make the host wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [*tensors(args), *tensors(kwargs.values())]
        on_device = any(tensor.device == DEVICE for tensor in given)
        assert not (on_device and waits(func)), f"{func} waits for numbers"
        made = func(*args, **kwargs)
        results = [*tensors((made,))]
        there = [tensor for tensor in results if tensor.device == DEVICE]
        assert not on_device or len(there) == len(results), f"{func} copies to the processor"
        if there and given and not on_device:
            # Without it the copy waits for all that the device has still to do.
            assert kwargs.get("non_blocking"), f"{func} waits while it copies"
        if there:
            self.calls.append((str(func), tuple(tuple(tensor.shape) for tensor in there)))
        return made


def tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors(value)


@functools.cache
def waits(func: Any) -> bool:
    return any(tag in func.tags for tag in (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape))


def tiny_recipe(name: str, **train: Any) -> Recipe:
    """A packaged recipe, shrunk to one step for each combination of its phases, and one more of the last."""
    recipe = shrink(recipes.load(PACKAGED[name]), 1)
    assert recipe.train.steps is not None
    return attrs.evolve(recipe, train=changed(recipe.train, **{"steps": recipe.train.steps + 1, **train}))


def run_through(recipe: Recipe, watched: int = 0) -> list[list[Call]]:
    """Compute all steps of a recipe; returns what was computed on the device in the last ones, which are watched."""
    assert recipe.train.steps is not None
    training = Training(recipe, recipe.train.steps, 4, Accelerator())  # type: ignore[arg-type]
    share = recipe.train.batch_size // recipe.train.accumulate
    fields = [(field, shape) for group in recipe.data.groups().values() for field, shape in group.items()]
    seen = []
    for step in range(recipe.train.steps):
        parts = [
            {field: torch.empty((share, *shape), dtype=torch.uint8, device=DEVICE) for field, shape in fields}
            for _ in range(recipe.train.accumulate)
        ]
        with Watching() if step >= recipe.train.steps - watched else nullcontext() as watching:
            training.step(step, parts)
        if watching is not None:
            seen.append(watching.calls)
    assert len(TRIED) == len({*TRIED}), "a network is tried at every step"
    return seen


def repeated(recipe: Recipe) -> int:
    """How many operations the device is given at a step: the same ones, of the same shapes, at each."""
    one, two = run_through(recipe, watched=2)
    assert one == two, next(pair for pair in zip(one, two, strict=False) if pair[0] != pair[1])
    return len(one)


EVERY_PART = {
    "animegan/hayao",
    "cyclegan/photo-anime",
    "mha-unet/without-attention",
    "pix2pix/pix2pix",
    "singlegan/singlegan",
    "starter/photo-to-cartoon",
    "toon2real/toon2real",
    "unit/perceptual",
}
"""Together with what is watched below they have every network, loss, op and schedule of the packaged recipes."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in EVERY_PART else [pytest.mark.soak]) for name in PACKAGED]
)
def test_no_step_of_a_packaged_recipe_waits(name: str) -> None:
    run_through(tiny_recipe(name))


def optimizer(name: str, **values: Any) -> Any:
    from toonforge.registries import optimizers

    return optimizers[name](**values)


WATCHED: list[tuple[str, dict[str, Any]]] = [
    ("cyclegan/stabilised", {}),
    ("cyclegan/photo-anime", {"speed": "safe", "clip": 1.0, "ema": 0.9}),
    ("pix2pix/pix2pix", {"accumulate": 2, "batch_size": 4, "optimizer": ("sgd", {"momentum": 0.9}), "ema": 0.9}),
    ("mha-unet/mha-unet", {"optimizer": ("adamw", {})}),
    ("cartoongan/cartoongan", {}),
]


@pytest.mark.parametrize(
    ("name", "train"), WATCHED, ids=["augmented", "as written, clipped", "in parts", "adamw", "with features"]
)
def test_steps_repeat_their_shapes_and_copy_without_waiting(name: str, train: dict[str, Any]) -> None:
    if "optimizer" in train:
        kind, values = train["optimizer"]
        train = {**train, "optimizer": optimizer(kind, **values)}
    assert repeated(tiny_recipe(name, **train)) > 100


def parts_of(name: str) -> set[Any]:
    """The types of all that a recipe is made of, and the ops of its expressions."""
    recipe = recipes.load(PACKAGED[name])
    found: set[Any] = set(re.findall(r"(\w+)\(", dump(recipe))) & set(ops)
    waiting: list[Any] = [recipe]
    while waiting:
        value = waiting.pop()
        if attrs.has(type(value)):
            found.add(type(value))
            waiting += [getattr(value, field.name) for field in attrs.fields(type(value))]
        elif isinstance(value, dict | list | tuple):
            waiting += [*value.values()] if isinstance(value, dict) else value
    return found


def test_what_is_tried_by_default_has_every_part_of_every_packaged_recipe() -> None:
    tried = set[Any]().union(*(parts_of(name) for name in {*EVERY_PART, *(name for name, _ in WATCHED)}))
    for name in PACKAGED:
        assert parts_of(name) <= tried, name


def asks_for_a_number(x: Tensor) -> Tensor:
    return x * float(x.detach().mean())


def asks_for_places(x: Tensor) -> Tensor:
    return x[x > 0].sum() * x


def asks_for_a_copy(x: Tensor) -> Tensor:
    return x + x.detach().cpu().mean().to(x.device, non_blocking=True)


def copies_and_waits(x: Tensor) -> Tensor:
    return x * torch.rand(4, 1, 1, 1)[:1].to(x.device)


def changes_its_shape(x: Tensor) -> Tensor:
    wider = torch.nn.functional.pad(x, (next(COUNT), 0))
    return wider[..., : x.shape[-1]]


COUNT = itertools.count()
HARMS = [asks_for_a_number, asks_for_places, asks_for_a_copy, copies_and_waits, changes_its_shape]
ONE = """
name = "waits"
data = { type = "synthetic", fields = { photo = ["photo"] }, image_size = 32 }
generators.G = { type = "cyclegan/resnet", width = 4, blocks = 1 }
[train]
steps = 3
batch_size = 1
[phases.one]
updates = ["G"]
losses.a = { type = "l1", input = "gray(G(photo))", target = "photo" }
"""


@pytest.mark.parametrize("harm", HARMS)
def test_what_waits_or_changes_shapes_is_found(monkeypatch: pytest.MonkeyPatch, harm: Callable[..., Tensor]) -> None:
    recipe = recipes.loads(ONE)
    assert repeated(recipe) > 20
    monkeypatch.setattr(Gray, "build", lambda self: harm)
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        repeated(recipe)
