"""Spectral normalisation measured: the largest singular value of every convolution, and the iterations it costs."""

from __future__ import annotations

import pytest
import torch
from toonforge_toon2real import PatchGAN
from torch import nn
from torch.nn import functional

VARIANTS = [PatchGAN(width=16), PatchGAN(width=16, as_printed=True)]


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def largest(weight: torch.Tensor) -> float:
    """Largest singular value of a convolution's weight as a matrix (out, in * k * k)."""
    return float(torch.linalg.svdvals(weight.detach().double().flatten(1))[0])


def train_weights(network: nn.Module) -> None:
    """Weights far from the initial ones, which the first iterations at construction have seen."""
    with torch.no_grad():
        for conv in convolutions(network):
            weight = conv.parametrizations.weight.original
            weight.copy_(torch.randn_like(weight) * torch.rand(len(weight), 1, 1, 1) * 3)


@pytest.mark.parametrize("config", VARIANTS, ids=["standard", "as printed"])
def test_every_convolution_has_spectral_norm_one_after_enough_iterations(config: PatchGAN) -> None:
    torch.manual_seed(0)
    network = config.build().train()
    train_weights(network)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = [largest(conv.weight) for conv in convolutions(network.eval())]
        network.train()
        for _ in range(300):
            network(x)
    network.eval()
    assert any(abs(value - 1) > 0.1 for value in before)
    assert [largest(conv.weight) for conv in convolutions(network)] == pytest.approx([1] * 5, abs=1e-3)


def test_without_it_spectral_norms_are_what_the_weights_make_them() -> None:
    torch.manual_seed(0)
    norms = [largest(conv.weight) for conv in convolutions(PatchGAN(width=16, spectral_norm=False).build())]
    assert all(abs(value - 1) > 0.1 for value in norms)


@pytest.mark.parametrize("config", VARIANTS, ids=["standard", "as printed"])
def test_a_call_in_training_is_one_power_iteration_and_none_in_use(config: PatchGAN) -> None:
    torch.manual_seed(0)
    network = config.build()
    train_weights(network)
    expected = []
    for conv in convolutions(network):
        matrix = conv.parametrizations.weight.original.detach().flatten(1)
        u = functional.normalize(matrix @ conv.parametrizations.weight[0]._v, dim=0)
        v = functional.normalize(matrix.T @ u, dim=0)
        expected.append((u, v))
    x = torch.rand(1, 3, 64, 64)
    network.train()(x)
    network.eval()(x)
    for conv, (u, v) in zip(convolutions(network), expected, strict=True):
        assert torch.allclose(conv.parametrizations.weight[0]._u, u, atol=1e-6)
        assert torch.allclose(conv.parametrizations.weight[0]._v, v, atol=1e-6)


def gain(conv: nn.Conv2d, side: int) -> float:
    """Most that a convolution without its bias stretches a whole picture, by 200 power iterations on the picture."""
    x = torch.randn(1, conv.in_channels, side, side, dtype=torch.float64)
    weight = conv.weight.detach().double()
    for _ in range(200):
        x = functional.normalize(x.flatten(), dim=0).view_as(x).requires_grad_(True)
        y = functional.conv2d(x, weight, None, conv.stride, conv.padding)
        (back,) = torch.autograd.grad(y, x, y.detach())
        x = back.detach()
    return float(y.detach().norm())


@pytest.mark.parametrize("config", VARIANTS, ids=["standard", "as printed"])
def test_whole_pictures_are_stretched_at_most_as_often_as_patches_overlap(config: PatchGAN) -> None:
    """A pixel is in (kernel / stride)^2 patches, each stretched by 1 at most: 2 for stride 2, 4 for stride 1."""
    torch.manual_seed(0)
    network = config.build().train()
    train_weights(network)
    with torch.no_grad():
        for _ in range(300):
            network(torch.rand(1, 3, 32, 32))
    for conv in convolutions(network.eval()):
        bound = conv.kernel_size[0] / conv.stride[0]
        found = gain(conv, 16)
        assert found <= bound * (1 + 1e-3)
        divided_by = conv.parametrizations.weight.original.detach().norm() / conv.weight.detach().norm()
        assert found * divided_by > bound, "the bound would hold without the normalisation too"
