"""The packaged recipe's objective against a step written by hand, term by term, and its values against the paper."""

from __future__ import annotations

import copy

import pytest
import torch
from toonforge_toon2real import PatchGAN, Resnet
from torch import nn
from torch.nn import functional as F

import toonforge
from toonforge.metrics import FID, WeightedFID
from toonforge.recipe.model import Recipe
from toonforge.train.step import Training

SMALL = (
    "generators.G_r.width=4",
    "generators.G_r.blocks=2",
    "discriminators.D_r.width=4",
    "discriminators.D_r.layers=2",
    'train.precision="fp64"',
)


def recipe(name: str, *more: str) -> Recipe:
    return toonforge.load_recipe(f"toon2real/{name}", overrides=[*SMALL, *more])


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return {name: torch.rand(2, 3, 32, 32, generator=generator).double() * 2 - 1 for name in ("cartoon", "photo")}


def adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([p for network in networks for p in network.parameters()], lr=2e-4, betas=(0.5, 0.999))


def by_hand(nets: dict[str, nn.Module], pictures: dict[str, torch.Tensor]) -> dict[str, float]:
    """One step as in CycleGAN's loop, with the paper's names. The pool is still filling: it shows the newest fakes."""
    G_r, G_c, D_r, D_c = (nets[name] for name in ("G_r", "G_c", "D_r", "D_c"))
    c, r = pictures["cartoon"], pictures["photo"]
    m, generators, discriminators = len(c), adam(G_r, G_c), adam(D_r, D_c)
    fake_r, fake_c = G_r(c), G_c(r)
    judged = D_r(fake_r)
    terms = {
        "generators.fool_r": ((1 - judged) ** 2).flatten(1).mean(1).sum() / m,  # equation 1
        "generators.fool_c": ((1 - D_c(fake_c)) ** 2).mean(),
        "generators.forward": (G_c(fake_r) - c).abs().mean(),  # equation 2
        "generators.backward": (G_r(fake_c) - r).abs().mean(),  # equation 3
    }
    generators.zero_grad()
    total = terms["generators.fool_r"] + terms["generators.fool_c"]
    (total + 10 * terms["generators.forward"] + 10 * terms["generators.backward"]).backward()
    generators.step()
    discriminators.zero_grad()  # of the gradients that the generators' terms left there
    terms |= {
        "discriminators.reals_r": F.mse_loss(D_r(r), torch.ones_like(judged)),
        "discriminators.fakes_r": D_r(fake_r.detach()).square().mean(),
        "discriminators.reals_c": ((D_c(c) - 1) ** 2).mean(),
        "discriminators.fakes_c": D_c(fake_c.detach()).square().mean(),
    }
    sum(0.5 * value for name, value in terms.items() if name.startswith("discriminators")).backward()
    discriminators.step()
    return {name: value.item() for name, value in terms.items()}


@pytest.mark.parametrize("printed", ["true", "false"])
@pytest.mark.parametrize("name", ["toon2real", "without-spectral-norm"])
def test_the_step_is_the_one_written_by_hand(name: str, printed: str) -> None:
    training = Training(recipe(name, f"generators.G_r.as_printed={printed}"), 100, 10)
    networks = {key: copy.deepcopy(network).train() for key, network in training.networks.items()}
    for network in networks.values():
        network.requires_grad_(True)
    pictures = batch()
    training.step(0, [pictures])
    expected = by_hand(networks, pictures)
    assert {key: value.item() for key, value in training.losses.items()} == pytest.approx(expected, rel=1e-6)
    for key, network in training.networks.items():
        theirs = networks[key].state_dict()
        for where, ours in network.state_dict().items():
            assert torch.allclose(ours, theirs[where], rtol=1e-6, atol=1e-9), f"{key} {where}"


def test_a_step_is_three_power_iterations_of_each_discriminator() -> None:
    """Judged fakes for the generator, then photographs and fakes: three calls before the weights move."""
    training = Training(recipe("toon2real"), 100, 10)
    start = copy.deepcopy(training.networks["D_r"])
    training.step(0, [batch()])
    for before, after in zip(start.modules(), training.networks["D_r"].modules(), strict=True):
        if isinstance(before, nn.Conv2d):
            matrix = before.parametrizations.weight.original.detach().flatten(1)
            v = before.parametrizations.weight[0]._v
            for _ in range(3):
                u = F.normalize(matrix @ v, dim=0)
                v = F.normalize(matrix.T @ u, dim=0)
            assert torch.allclose(after.parametrizations.weight[0]._u, u, atol=1e-12)


def test_the_packaged_recipe_is_the_papers_and_cyclegans_where_it_is_silent() -> None:
    full = toonforge.load_recipe("toon2real/toon2real")
    weights = {name: term.weight for phase in full.phases.values() for name, term in phase.losses.items()}
    assert weights == {
        "fool_r": 1, "fool_c": 1, "forward": 10, "backward": 10,
        "reals_r": 0.5, "fakes_r": 0.5, "reals_c": 0.5, "fakes_c": 0.5,
    }  # fmt: skip
    assert list(full.phases) == ["generators", "discriminators"]
    assert dict(full.generators) == {"G_r": Resnet(in_channels=3), "G_c": Resnet(in_channels=3)}
    assert dict(full.discriminators) == {"D_r": PatchGAN(in_channels=3), "D_c": PatchGAN(in_channels=3)}
    assert (full.train.epochs, full.train.batch_size) == (200, 1)
    assert (full.train.optimizer.lr, full.train.optimizer.betas) == (2e-4, (0.5, 0.999))
    assert isinstance(full.metrics["fid"], FID)
    weighted = full.metrics["weighted_fid"]
    assert isinstance(weighted, WeightedFID) and weighted.target_weight == 0.8
    assert [str(e) for e in (weighted.generated, weighted.target, weighted.input)] == [
        "G_r(cartoon)",
        "photo",
        "cartoon",
    ]


def test_the_baseline_differs_in_spectral_normalisation_alone() -> None:
    full, baseline = (toonforge.load_recipe(f"toon2real/{name}") for name in ("toon2real", "without-spectral-norm"))
    assert all(not config.spectral_norm for config in baseline.discriminators.values())
    for part in ("data", "generators", "signals", "phases", "train", "translations", "metrics"):
        assert getattr(full, part) == getattr(baseline, part)


def test_one_override_makes_all_four_networks_as_printed() -> None:
    for name in ("toon2real", "without-spectral-norm"):
        printed = toonforge.load_recipe(f"toon2real/{name}", overrides=["generators.G_r.as_printed=true"])
        assert all(config.as_printed for config in (*printed.generators.values(), *printed.discriminators.values()))
