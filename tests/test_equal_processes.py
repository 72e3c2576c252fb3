"""Several processes train like one, to 1e-12, with every recipe: networks, averages, optimizers, losses and totals.

From each recipe is taken what draws or looks at a process's own part of the batch (batch norm, dropout, pool, noise,
augment), and SGD trains what is left in float64. The whole product of recipes, settings and numbers of processes:

    pytest -m soak tests/test_equal_processes.py
"""

from __future__ import annotations

from functools import partial

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.plain_recipes import EVERY, RATE, Trained, assert_equal, moved, plain, trained
from tests.ranks import together
from tests.test_processes import DISCRIMINATOR_FIRST
from tests.tiny import TinyGenerator, TinySource
from toonforge import recipe as recipes
from toonforge.data.loader import Batch, TrainLoader
from toonforge.data.order import steps_per_epoch
from toonforge.recipe.expr import Expr, Network
from toonforge.recipe.model import Recipe
from toonforge.registries import losses
from toonforge.train.step import make_accelerator

METHODS = (
    "pix2pix/pix2pix",
    "recipes/anime_animegan.toml",
    "recipes/anime_cartoongan.toml",
    "recipes/anime_unet.toml",
    "recipes/cartoon_mha_unet.toml",
    "recipes/cartoon_singlegan.toml",
    "recipes/cartoon_toon2real.toml",
    "recipes/cartoon_unit.toml",
)
"""A recipe of each method; among them are spectral norms, a network of features, several optimizers and a warm-up."""

PLAINLY = {"accumulate": 1, "clip": None, "alternate": False}
IN_PARTS = {"accumulate": 2, "clip": 0.5, "alternate": True}
WITH_WORKERS = {"accumulate": 1, "clip": 0.5, "workers": 2}


def equal(recipe: Recipe, *counts: int) -> Trained:
    """Assert that `counts` processes train like one, each of them; returns what the one has."""
    (one,) = together(1, lambda rank: trained(recipe))
    for count in counts:
        for rank, other in enumerate(together(count, lambda rank: trained(recipe))):
            try:
                assert_equal(one, other)
            except AssertionError as error:
                raise AssertionError(f"{count} processes, rank {rank}:\n{error}") from None
    return one


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_train_every_method_like_one(name: str) -> None:
    """In parts, clipped, with phases that follow each other and phases that run at every second step."""
    recipe = plain(name, steps=2, **IN_PARTS)
    one = equal(recipe, 2)
    assert all(moved(recipe, one).values()), "a network was not trained"


@pytest.mark.soak
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("how", [PLAINLY, IN_PARTS, WITH_WORKERS], ids=["plainly", "in-parts", "with-workers"])
@pytest.mark.parametrize("name", EVERY)
def test_several_processes_train_every_recipe_like_one(name: str, how: dict[str, object], count: int) -> None:
    recipe = plain(name, steps=2, batch_size=8, **how)  # type: ignore[arg-type]
    one = equal(recipe, count)
    assert all(moved(recipe, one).values()), "a network was not trained"


def test_three_processes_with_workers_train_like_one(tiny: None) -> None:
    recipe = recipes.loads(
        DISCRIMINATOR_FIRST.replace("batch_size = 4", "batch_size = 6")
        .replace("accumulate = 2", "accumulate = 1\nworkers = 1\nema = 0.9")
        .replace("steps = 6", "steps = 3")
    )
    equal(recipe, 3)


PENALTY = """
name = "penalty"
[data]
type = "tiny/pictures"
count = 8
[train]
steps = 3
batch_size = 4
accumulate = 2
clip = 1.0
precision = "fp64"
optimizer = { type = "sgd", lr = 0.01, momentum = 0.9 }
[generators]
G = { type = "tiny/generator" }
[discriminators]
D = { type = "tiny/discriminator" }
[phases.critic]
updates = ["D"]
[phases.critic.losses]
reals = { type = "wasserstein", logits = "D(anime)", real = true }
fakes = { type = "wasserstein", logits = "D(G(photo))", real = false }
straight = { type = "gradient-penalty", discriminator = "D", real = "anime", fake = "anime", weight = 10 }
[phases.generator]
updates = ["G"]
every = 2
[phases.generator.losses]
fool = { type = "wasserstein", logits = "D(G(photo))", real = true }
"""
"""A gradient of a gradient. Between a picture and itself there is nothing to draw."""


def test_gradient_penalties_are_averaged_over_processes(tiny: None) -> None:
    equal(recipes.loads(PENALTY), 2)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_network_trained_in_part_is_refused_in_plain_words(
    tiny: None, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    """Its gradient would not be averaged; one process trains it."""
    build = TinyGenerator.build

    def with_an_idle_parameter(self: TinyGenerator) -> nn.Module:
        network = build(self)
        network.register_parameter("idle", nn.Parameter(torch.zeros(3)))
        return network

    monkeypatch.setattr(TinyGenerator, "build", with_an_idle_parameter)
    recipe = recipes.loads(DISCRIMINATOR_FIRST.replace("accumulate = 2", f"accumulate = {accumulate}"))
    together(1, lambda rank: trained(recipe))
    with pytest.raises(AssertionError, match=r"RunError: phases\.generator\.updates: (.|\n)*do not reach idle\n"):
        together(2, lambda rank: trained(recipe))


def test_processes_that_join_where_one_trained_alone_before_train_together() -> None:
    """Accelerate remembers for a process's life, and what is forked off it, that it was alone."""
    make_accelerator("fp64", cpu=True)
    assert together(2, lambda rank: make_accelerator("fp64", cpu=True).num_processes) == [2, 2]


# -- a batch's loss is the mean of its pictures' ---------------------------------------------------------------------


MORE: dict[str, dict[str, object]] = {
    "bce": {"real": True},
    "feature-l1": {"features": Network("V"), "relative": True},
    "hinge": {"role": "real"},
    "lsgan": {"real": True},
    "wasserstein": {"real": True},
}
"""What losses must be told besides their tensors."""


@pytest.mark.parametrize("name", sorted(set(losses) - {"gradient-penalty"}))
def test_a_batchs_loss_is_the_mean_of_its_parts_losses(name: str) -> None:
    """So that neither accumulation nor processes change it. A gradient penalty draws, and has a test of its own."""
    generator = torch.Generator().manual_seed(5)
    names = [field.name for field in attrs.fields(losses[name]) if field.type in ("Expr", Expr)]
    loss = losses[name](**{n: Expr.parse(n) for n in names}, **MORE.get(name, {})).build()
    if name == "feature-l1":
        loss = partial(loss, features=lambda x: (x[:, :1].abs(), x.square()))
    tensors = {n: torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64) for n in names}
    # Pictures of very different contrast, as a black one beside a colourful one.
    tensors = {n: t * torch.tensor([0.01, 1, 3, 0.2, 1, 9], dtype=t.dtype).view(6, 1, 1, 1) for n, t in tensors.items()}
    whole = loss(**tensors)
    for parts in (2, 3, 6):
        cut = [loss(**{n: t.chunk(parts)[i] for n, t in tensors.items()}) for i in range(parts)]
        assert torch.allclose(whole, torch.stack(cut).mean(), rtol=1e-12, atol=1e-12), f"{parts} parts"


# -- which pictures each process sees --------------------------------------------------------------------------------


def batches(size: int, batch_size: int, total: int, rank: int, processes: int, parts: int) -> list[Batch]:
    source = TinySource({"photo": ("photo",), "drawn": ("anime", "cartoon")}, size, 2)
    share = {"rank": rank, "processes": processes, "parts": parts}
    return list(TrainLoader(source, seed=3, batch_size=batch_size, total_steps=total, **share))


@settings(max_examples=40)
@given(size=st.integers(1, 13), share=st.integers(1, 3), processes=st.integers(1, 4), parts=st.integers(1, 3))
def test_processes_together_see_what_one_sees_each_picture_once(
    size: int, share: int, processes: int, parts: int
) -> None:
    """Bit for bit, augmentation and all, in the order of the ranks."""
    batch_size, total = share * processes * parts, 3
    alone = batches(size, batch_size, total, 0, 1, parts)
    each = [batches(size, batch_size, total, rank, processes, parts) for rank in range(processes)]
    for step in range(total):
        for part in range(parts):
            for field, expected in alone[step].parts[part].items():
                shares = [own[step].parts[part][field] for own in each]
                assert {len(own) for own in shares} == {share}
                assert torch.equal(torch.cat(shares), expected), (step, part, field)


class Counting(TinySource):
    """Notes what is drawn."""

    drawn: list[tuple[str, int]]

    def item(self, group: str, index: int, rng: object) -> dict[str, torch.Tensor]:
        self.drawn.append((group, index))
        return super().item(group, index, None)


@settings(max_examples=40)
@given(size=st.integers(1, 13), share=st.integers(1, 3), processes=st.integers(1, 4), parts=st.integers(1, 2))
def test_what_does_not_fill_a_batch_is_left_out_of_an_epoch(size: int, share: int, processes: int, parts: int) -> None:
    """Over an epoch all processes together see whole batches of different pictures, and nothing else."""
    batch_size = share * processes * parts
    seen: list[tuple[str, int]] = []
    for rank in range(processes):
        source = Counting({"photo": ("photo",)}, size, 2)
        source.drawn = seen
        share_of = {"rank": rank, "processes": processes, "parts": parts}
        steps = steps_per_epoch(source.sizes, batch_size)
        assert steps == max(1, size // batch_size)
        list(TrainLoader(source, seed=3, batch_size=batch_size, total_steps=steps, **share_of))
    assert len(seen) == batch_size * max(1, size // batch_size)
    if batch_size <= size:
        assert len(set(seen)) == len(seen), "a picture was seen twice in one epoch"


def test_the_rate_is_small_enough_not_to_drown_the_processes_in_round_off() -> None:
    """What `plain` promises: two runs of one process are equal to the bit, so that a difference is the processes'."""
    recipe = plain("pix2pix/pix2pix", **PLAINLY)  # type: ignore[arg-type]
    assert recipe.train.optimizer.lr == RATE
    first, second = (together(1, lambda rank: trained(recipe))[0] for _ in range(2))
    assert_equal(first, second, tolerance=0)
