"""`train.recompute`: blocks keep their inputs alone and compute their activations again, with the same result."""

from __future__ import annotations

import copy
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor, nn

from tests.plain_recipes import EVERY, assert_equal, plain, trained
from tests.ranks import together
from tests.test_split_backward import most_kept, steps, whole
from toonforge.components import changed
from toonforge.errors import RecipeError, RunError
from toonforge.nn.patchgan import PatchGAN
from toonforge.nn.quick import quicken
from toonforge.nn.resnet import ResnetGenerator
from toonforge.nn.unet import UnetGenerator
from toonforge.nn.vgg import VGG19
from toonforge.recipe import load
from toonforge.recipe.model import Recipe
from toonforge.speed.recompute import recompute
from toonforge.train.step import Training, make_accelerator


def with_recompute(recipe: Recipe, *names: str, speed: Any = "safe") -> Recipe:
    return attrs.evolve(recipe, train=changed(recipe.train, speed=speed, recompute=names))


NETWORKS: dict[str, Any] = {
    "resnet": lambda: ResnetGenerator(width=4, blocks=3),
    "resnet, dropped": lambda: ResnetGenerator(width=4, blocks=2, dropout=0.5),
    "unet": lambda: UnetGenerator(width=4, levels=4, norm="instance"),
    "patchgan": lambda: PatchGAN(width=4),
    "vgg": lambda: VGG19("conv3_2"),
}


@pytest.mark.parametrize("quick", [False, True], ids=["", "quick"])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_are_the_same_bits(name: str, quick: bool) -> None:
    torch.manual_seed(0)
    one = NETWORKS[name]()
    if quick:
        quicken(one)
    other = copy.deepcopy(one)
    recompute(other, "G")
    assert one.state_dict().keys() == other.state_dict().keys()
    assert [type(module) for module in one.modules()] == [type(module) for module in other.modules()]
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    found = []
    for network in (one, other):
        x = pictures.clone().requires_grad_()
        torch.manual_seed(7)
        y = network(x)
        y.square().mean().backward()
        found.append([y.detach(), x.grad, *(p.grad for p in network.parameters())])
    for a, b in zip(*found, strict=True):
        assert a is not None and torch.equal(a, b)
    with torch.no_grad():
        torch.manual_seed(7)
        assert torch.equal(other(pictures), found[0][0])


@pytest.mark.parametrize(
    ("name", "networks"), [("cyclegan/cyclegan", ("G", "F", "D_anime", "D_photo")), ("recipes/anime_unet.toml", "GFV")]
)
def test_a_training_is_the_same_bit_by_bit(name: str, networks: tuple[str, ...]) -> None:
    recipe = whole(name)
    count = recipe.train.steps or 1
    assert_equal(steps(with_recompute(recipe), count), steps(with_recompute(recipe, *networks), count), 0)


@pytest.mark.soak
@pytest.mark.parametrize("speed", ["safe", ("split-backward", "batched-calls", "quick-norms", "channels-last")])
@pytest.mark.parametrize("name", EVERY)
def test_every_recipe_is_the_same(name: str, speed: Any) -> None:
    """pytest -m soak tests/test_recompute.py"""
    recipe = whole(name)
    count = recipe.train.steps or 1
    able = [network for network in recipe.modules if not _is_refused(with_recompute(recipe, network))]
    expected, found = with_recompute(recipe, speed=speed), with_recompute(recipe, *able, speed=speed)
    assert_equal(steps(expected, count), steps(found, count), 0)


def _is_refused(recipe: Recipe) -> bool:
    try:
        Training(recipe, 10, 4, make_accelerator("fp64", cpu=True))
    except RunError:
        return True
    return False


def test_gradients_of_gradients_pass(tiny: None) -> None:
    """As penalties want them."""
    torch.manual_seed(0)
    one = PatchGAN(width=4)
    other = copy.deepcopy(one)
    recompute(other, "D")
    pictures, found = torch.rand(2, 3, 32, 32), []
    for network in (one, other):
        x = pictures.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
        (gradient.flatten(1).norm(dim=1) - 1).square().mean().backward()
        found.append([p.grad for p in network.parameters()])
    for a, b in zip(*found, strict=True):
        assert (a is None) is (b is None)
        assert a is None or torch.allclose(a, b, rtol=1e-5, atol=1e-7)


def test_two_processes_train_like_one() -> None:
    recipe = plain("cyclegan/cyclegan", steps=1)
    (one,) = together(1, lambda rank: trained(with_recompute(recipe)))
    for other in together(2, lambda rank: trained(with_recompute(recipe, "G", "F", speed=("split-backward",)))):
        assert_equal(one, other)


def test_inputs_of_blocks_are_all_that_is_kept() -> None:
    recipe = whole("cyclegan/cyclegan")
    assert most_kept(with_recompute(recipe, "G", "F", "D_anime", "D_photo")) < 0.4 * most_kept(with_recompute(recipe))


class Skips(nn.Module):
    """Takes what to add by name, or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor, skip: Tensor | None = None, context_fn: float = 1) -> Tensor:
        y: Tensor = self.other(self.layer(x).tanh()) * context_fn
        return y if skip is None else y + skip


class Named(nn.Module):
    """Gives its blocks arguments by name, one of which the checkpoint has too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Skips(), Skips()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x), skip=self.first(x), context_fn=2.0)
        return y


def test_blocks_take_arguments_by_name() -> None:
    one = Named()
    other = copy.deepcopy(one)
    recompute(other, "G")
    assert all("forward" in vars(block) for block in (other.first, other.second))
    pictures = torch.rand(1, 3, 4, 4)
    for network in (one, other):
        network(pictures).square().sum().backward()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None and torch.equal(a.grad, b.grad)
    with torch.no_grad():
        assert torch.equal(one(pictures), other(pictures))


# -- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "network", "kind"),
    [("pix2pix/pix2pix", "D", "batch norm"), ("toon2real/toon2real", "D_r", "spectral norm")],
)
def test_networks_that_change_when_called_are_refused(name: str, network: str, kind: str) -> None:
    with pytest.raises(RunError) as caught:
        Training(
            with_recompute(whole(name), network, speed=("quick-norms",)), 10, 4, make_accelerator("fp64", cpu=True)
        )
    (problem,) = caught.value.problems
    assert problem.key == "train.recompute" and network in str(problem.found) and kind in str(problem.found)


class Remembers(nn.Module):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.register_buffer("calls", torch.zeros(()))

    calls: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.other(self.layer(x))


class InPlace(nn.Module):
    """Spoils its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self.layer(x.mul_(2)))


@pytest.mark.parametrize("block", [Remembers, InPlace])
def test_a_block_that_changes_itself_or_its_input_is_refused_when_it_does(block: type[nn.Module]) -> None:
    """Computed again it would yield something else, and nobody would notice."""
    network = nn.Sequential(nn.Conv2d(3, 3, 1), block(), nn.Sequential(nn.Conv2d(3, 3, 1)))
    recompute(network, "G")
    with pytest.raises(RunError, match=f"G, whose {block.__name__} changes"):
        network(torch.rand(1, 3, 4, 4))


def test_a_network_that_is_not_there_is_told_at_its_place() -> None:
    with pytest.raises(RecipeError) as caught:
        load("cyclegan/cyclegan", ['train.recompute=["G", "D_anme"]'])
    (problem,) = caught.value.problems
    assert problem.key == "train.recompute[1]" and "D_anime" in str(problem.hint)


def test_a_network_unlike_all_others_is_told_with_those_that_there_are() -> None:
    with pytest.raises(RecipeError) as caught:
        load("cyclegan/cyclegan", ['train.recompute=["xyzzy"]'])
    (problem,) = caught.value.problems
    assert problem.hint == "the networks are G, F, D_anime, D_photo"


def test_a_network_in_place_of_an_array_is_told_how_to_write_it() -> None:
    with pytest.raises(RecipeError) as caught:
        load("cyclegan/cyclegan", ['train.recompute="G"'])
    (problem,) = caught.value.problems
    assert problem.hint == 'write ["G"]'
