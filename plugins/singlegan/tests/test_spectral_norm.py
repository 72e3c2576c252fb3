"""Spectral normalisation of every convolution: what it divides by, and how many power iterations a step makes."""

from __future__ import annotations

import copy

import pytest
import torch
from toonforge_singlegan import MultiScale, Resnet
from torch import Tensor, nn
from torch.nn import functional as F

import toonforge
from toonforge.train.step import Training

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def convolutions(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, CONVOLUTIONS)]


def matrix(layer: nn.Module) -> Tensor:
    """A weight's rows are the channels that come out, as torch.nn.utils.spectral_norm has it for both kinds."""
    weight = layer.parametrizations.weight.original.detach()
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


def iterated(layer: nn.Module, times: int) -> tuple[Tensor, Tensor]:
    """A layer's u and v after so many power iterations by hand."""
    u, v = (getattr(layer.parametrizations.weight[0], name).clone() for name in ("_u", "_v"))
    for _ in range(times):
        u = F.normalize(matrix(layer) @ v, dim=0)
        v = F.normalize(matrix(layer).T @ u, dim=0)
    return u, v


def assert_iterated(before: nn.Module, after: nn.Module, times: int) -> None:
    for old, new in zip(convolutions(before), convolutions(after), strict=True):
        u, v = iterated(old, times)
        assert torch.allclose(new.parametrizations.weight[0]._u, u, atol=1e-5)
        assert torch.allclose(new.parametrizations.weight[0]._v, v, atol=1e-5)


@torch.no_grad()
def unsettled(network: nn.Module) -> nn.Module:
    """Weights far from those that the iterations at construction have seen."""
    for layer in convolutions(network):
        weight = layer.parametrizations.weight.original
        weight.copy_(torch.randn_like(weight) * torch.rand(len(weight), 1, 1, 1) * 3)
    return network


def test_every_convolution_is_normalised_and_nothing_else() -> None:
    for network, expected in ((Resnet(blocks=2).build(), 10), (MultiScale().build(), 8)):
        assert len(convolutions(network)) == expected
        for module in network.modules():
            assert hasattr(module, "parametrizations") == isinstance(module, CONVOLUTIONS)


def test_a_call_in_training_is_one_iteration_and_none_in_use() -> None:
    torch.manual_seed(0)
    network = unsettled(Resnet(width=4, blocks=1).build())
    before, x = copy.deepcopy(network), torch.rand(1, 3, 16, 16)
    network.eval()(x, 1)
    assert_iterated(before, network, 0)
    network.train()(x, 1)
    assert_iterated(before, network, 1)


def test_a_call_iterates_the_scale_that_it_asks_alone() -> None:
    torch.manual_seed(0)
    network = unsettled(MultiScale(width=4).build()).train()
    before, x = copy.deepcopy(network), torch.rand(1, 3, 64, 64)
    network(x, 1)
    assert_iterated(before.scales[0], network.scales[0], 0)
    assert_iterated(before.scales[1], network.scales[1], 1)


@pytest.mark.parametrize(("config", "side"), [(Resnet(width=4, blocks=1), 16), (MultiScale(width=4), 32)])
def test_every_convolution_has_spectral_norm_one_after_enough_iterations(
    config: Resnet | MultiScale, side: int
) -> None:
    torch.manual_seed(0)
    network = unsettled(config.build())
    with torch.no_grad():
        network.eval()
        before = [largest(layer) for layer in convolutions(network)]
        network.train()
        for _ in range(300):
            network(torch.rand(1, 3, side, side), 0)
            if isinstance(config, MultiScale):
                network(torch.rand(1, 3, side, side), 1)
    network.eval()
    assert any(abs(value - 1) > 0.1 for value in before)
    assert [largest(layer) for layer in convolutions(network)] == pytest.approx([1] * len(before), abs=1e-3)


def largest(layer: nn.Module) -> float:
    weight = layer.weight.detach().double()
    rows = weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight
    return float(torch.linalg.svdvals(rows.flatten(1))[0])


def test_a_step_is_four_iterations_of_the_generator_and_three_of_each_scale() -> None:
    """G makes two fakes and two cycles; each judge sees fakes, pictures, and fakes again for the generator."""
    small = ["generators.G.width=4", "generators.G.blocks=1", "discriminators.D_cartoon.width=4"]
    rates = ["train.optimizer.lr=1e-12"]  # weights must not move between the iterations
    training = Training(toonforge.load_recipe("singlegan/singlegan", overrides=[*small, *rates]), 100, 10)
    before = copy.deepcopy(dict(training.networks))
    training.step(0, [{name: torch.rand(1, 3, 64, 64) for name in ("cartoon", "photo")}])
    assert_iterated(before["G"], training.networks["G"], 4)
    for name in ("D_cartoon", "D_photo"):
        assert_iterated(before[name], training.networks[name], 3)
