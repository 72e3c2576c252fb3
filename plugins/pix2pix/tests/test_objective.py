"""The packaged recipe's losses and one step of it, against pix2pix written by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import toonforge
from toonforge.components import changed
from toonforge.recipe.model import Recipe
from toonforge.testing.recipes import shrink
from toonforge.train.step import Training

STEPS = 4


def recipe() -> Recipe:
    """The packaged recipe with tiny networks; dropout off, so that no random draw has to be repeated."""
    whole = shrink(toonforge.load_recipe("pix2pix/pix2pix"), steps=STEPS)
    small = {name: changed(config, dropout=0.0) for name, config in whole.generators.items()}
    return changed(whole, generators=small)


def batches() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(7)
    return [
        {field: torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1 for field in ("cartoon", "photo")}
        for _ in range(STEPS)
    ]


def log_loss(logits: Tensor, real: bool) -> Tensor:
    """Binary cross entropy from the definition, in double precision."""
    probability = torch.sigmoid(logits.double())
    return -torch.log(probability if real else 1 - probability).mean()


def test_every_term_of_a_step_is_pix2pix_to_a_millionth() -> None:
    training = Training(recipe(), STEPS, 1)
    G, D = (copy.deepcopy(training.networks[name]) for name in "GD")
    optimizer = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    batch = batches()[0]
    cartoon, photo = batch["cartoon"], batch["photo"]

    training.step(0, [batch])
    found, totals, _ = training.read()

    fake = G(cartoon)
    expected = {
        "discriminator.fakes": log_loss(D(torch.cat([cartoon, fake.detach()], 1)), real=False),
        "discriminator.reals": log_loss(D(torch.cat([cartoon, photo], 1)), real=True),
    }
    optimizer.zero_grad()
    (0.5 * expected["discriminator.fakes"] + 0.5 * expected["discriminator.reals"]).backward()
    optimizer.step()
    expected["generator.fool"] = log_loss(D(torch.cat([cartoon, fake], 1)), real=True)
    expected["generator.pixels"] = (fake.double() - photo.double()).abs().mean()
    terms = {name: float(value.detach()) for name, value in expected.items()}
    assert found == pytest.approx(terms, abs=1e-6)
    assert totals["discriminator"] == pytest.approx((terms["discriminator.fakes"] + terms["discriminator.reals"]) / 2)
    assert totals["generator"] == pytest.approx(terms["generator.fool"] + 100 * terms["generator.pixels"])


def by_hand(G: nn.Module, D: nn.Module, data: list[dict[str, Tensor]]) -> None:
    bce = functional.binary_cross_entropy_with_logits
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (G, D))
    for batch in data:
        cartoon, photo = batch["cartoon"], batch["photo"]
        fake = G(cartoon)
        on_fake, on_real = D(torch.cat([cartoon, fake.detach()], 1)), D(torch.cat([cartoon, photo], 1))
        opt_d.zero_grad()
        (0.5 * bce(on_fake, torch.zeros_like(on_fake)) + 0.5 * bce(on_real, torch.ones_like(on_real))).backward()
        opt_d.step()
        judged = D(torch.cat([cartoon, fake], 1))
        opt_g.zero_grad()
        (bce(judged, torch.ones_like(judged)) + 100 * (fake - photo).abs().mean()).backward()
        opt_g.step()


def test_steps_leave_the_weights_of_a_hand_written_loop() -> None:
    training = Training(at_a_constant_rate(recipe()), STEPS, 1)
    G, D = (copy.deepcopy(training.networks[name]) for name in "GD")
    before = copy.deepcopy(G.state_dict())
    for step, batch in enumerate(batches()):
        training.step(step, [batch])
    by_hand(G, D, batches())
    for name, network in (("G", G), ("D", D)):
        for key, value in network.state_dict().items():
            assert torch.allclose(training.networks[name].state_dict()[key], value, atol=1e-6), f"{name}.{key}"
    assert any(not torch.equal(value, before[key]) for key, value in G.state_dict().items()), "nothing was trained"


def at_a_constant_rate(recipe: Recipe) -> Recipe:
    return changed(recipe, train=changed(recipe.train, schedule=toonforge.schedules["constant"]()))
