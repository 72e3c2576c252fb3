"""The packaged recipes, step by step, against CycleGAN written by hand: every term to a millionth, then the weights."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import toonforge
from toonforge.components import changed
from toonforge.testing.recipes import shrink
from toonforge.train.step import Training

STEPS = 3  # of each part: pre-training where there is any, then adversarial training
NETWORKS = ("G", "F", "D_anime", "D_photo")
# recipe: (steps of pre-training, weight of the cycle, weight of the identity, learning rate)
SETTINGS = {
    "cyclegan/cyclegan": (0, 10, 5, 2e-4),
    "cyclegan/cyclegan-128": (0, 10, 5, 2e-4),
    "cyclegan/stabilised": (0, 25, 5, 1e-4),
    "cyclegan/photo-anime": (STEPS, 25, 5, 1e-4),
}
settings = pytest.mark.parametrize("name", SETTINGS)


def batches(count: int, dtype: torch.dtype = torch.float32) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(7)
    return [
        {field: torch.rand(2, 3, 64, 64, generator=generator, dtype=dtype) * 2 - 1 for field in ("photo", "anime")}
        for _ in range(count)
    ]


def training_of(name: str, precision: str = "fp32") -> Training:
    # Fewer pictures pass in these steps than the pools hold, so every fake is shown as it is.
    small = shrink(toonforge.load_recipe(name), steps=STEPS)
    return Training(changed(small, train=changed(small.train, precision=precision)), 2 * STEPS, 1)


def l1(y: Tensor, target: Tensor) -> Tensor:
    """Equation 2 of the photo-anime document, in double precision."""
    return (y.double() - target.double()).abs().sum() / y.numel()


def l2(y: Tensor, target: float) -> Tensor:
    """Its equation 3 against ones or zeros."""
    return ((y.double() - target) ** 2).sum() / y.numel()


@settings
def test_every_term_is_cyclegans_to_a_millionth(name: str) -> None:
    pretraining, cycle, identity, lr = SETTINGS[name]
    training = training_of(name)
    for step, batch in enumerate(batches(2 * STEPS)):
        G, F, D_y, D_x = (copy.deepcopy(training.networks[network]) for network in NETWORKS)
        training.step(step, [batch])
        found, totals, _ = training.read()
        x, y = batch["photo"], batch["anime"]
        with torch.no_grad():
            judged = {
                "reals_anime": float(l2(D_y(y), 1)),
                "fakes_anime": float(l2(D_y(G(x)), 0)),
                "reals_photo": float(l2(D_x(x), 1)),
                "fakes_photo": float(l2(D_x(F(y)), 0)),
            }
            made = {
                "fool_anime": float(l2(D_y(G(x)), 1)),
                "fool_photo": float(l2(D_x(F(y)), 1)),
                "cycle_photo": float(l1(F(G(x)), x)),
                "cycle_anime": float(l1(G(F(y)), y)),
                "identity_anime": float(l1(G(y), y)),
                "identity_photo": float(l1(F(x), x)),
            }
        half = 0.5 * sum(judged.values())  # equation 8, of both discriminators
        if step < pretraining:
            assert found == pytest.approx({f"pretraining.{term}": value for term, value in judged.items()}, abs=1e-6)
            assert totals["pretraining"] == pytest.approx(half, rel=1e-6)
            continue
        expected = {f"generators.{term}": value for term, value in made.items()}
        expected |= {f"discriminators.{term}": value for term, value in judged.items()}
        assert found == pytest.approx(expected, abs=1e-6)
        equation_7 = (
            made["fool_anime"] + made["fool_photo"] + cycle * (made["cycle_photo"] + made["cycle_anime"])
            + identity * (made["identity_anime"] + made["identity_photo"])
        )  # fmt: skip
        assert totals["generators"] == pytest.approx(equation_7, rel=1e-6)
        assert totals["discriminators"] == pytest.approx(half, rel=1e-6)
        assert {training.rates[phase] for phase in ("generators", "discriminators")} == {lr}


def by_hand(networks: dict[str, nn.Module], data: list[dict[str, Tensor]], name: str) -> None:
    pretraining, cycle, identity, lr = SETTINGS[name]
    G, F, D_y, D_x = (networks[network] for network in NETWORKS)
    of_makers, of_judges = (
        torch.optim.Adam(itertools.chain(a.parameters(), b.parameters()), lr=lr, betas=(0.5, 0.999))
        for a, b in ((G, F), (D_y, D_x))
    )

    def against(logits: Tensor, label: float) -> Tensor:
        return functional.mse_loss(logits, torch.full_like(logits, label))

    for step, batch in enumerate(data):
        x, y = batch["photo"], batch["anime"]
        fake_y, fake_x = G(x), F(y)
        if step >= pretraining:
            of_makers.zero_grad()
            loss = against(D_y(fake_y), 1) + against(D_x(fake_x), 1)
            loss = loss + cycle * (functional.l1_loss(F(fake_y), x) + functional.l1_loss(G(fake_x), y))
            loss = loss + identity * (functional.l1_loss(G(y), y) + functional.l1_loss(F(x), x))
            loss.backward()
            of_makers.step()
        of_judges.zero_grad()
        judged = against(D_y(y), 1) + against(D_y(fake_y.detach()), 0)
        judged = judged + against(D_x(x), 1) + against(D_x(fake_x.detach()), 0)
        (judged / 2).backward()
        of_judges.step()


@settings
def test_training_makes_the_weights_of_a_loop_by_hand(name: str) -> None:
    # In double precision: rounding in the biases before a norm, whose gradient is 0, would be whole steps of Adam's.
    training = training_of(name, "fp64")
    networks = {network: copy.deepcopy(training.networks[network]) for network in NETWORKS}
    data = batches(2 * STEPS, torch.float64)
    for step, batch in enumerate(data):
        training.step(step, [batch])
    by_hand(networks, data, name)
    for network, theirs in networks.items():
        for key, value in training.networks[network].state_dict().items():
            assert (value - theirs.state_dict()[key]).abs().max() < 1e-9, f"{network}.{key}"


def test_pretraining_leaves_the_generators_alone() -> None:
    training = training_of("cyclegan/photo-anime")
    before = {network: copy.deepcopy(training.networks[network].state_dict()) for network in NETWORKS}
    for step, batch in enumerate(batches(STEPS)):
        training.step(step, [batch])
    for network, state in before.items():
        same = all(torch.equal(value, state[key]) for key, value in training.networks[network].state_dict().items())
        assert same == (network in ("G", "F"))
