"""The packaged recipe, step by step, against CartoonGAN written by hand: every term to a millionth, then the weights."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import toonforge
from toonforge.components import changed
from toonforge.recipe.model import Recipe
from toonforge.testing.recipes import shrink
from toonforge.train.step import Training

STEPS = 4  # both milestones of the schedule lie within; of each part: initialisation, then adversarial training
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of fixed weights of VGG19's first stages, as torch saves them."""
    generator = torch.Generator().manual_seed(5)
    shapes = {0: (64, 3), 2: (64, 64), 5: (128, 64)}
    state = {}
    for index, (outputs, inputs) in shapes.items():
        deviation = (2 / (9 * inputs)) ** 0.5
        state[f"features.{index}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * deviation
        state[f"features.{index}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    torch.save(state, tmp_path / "vgg.pth")
    return tmp_path / "vgg.pth"


def recipe(name: str, weights: Path, precision: str = "fp32") -> Recipe:
    """A packaged recipe with tiny networks; VGG19 up to conv2_1 with the weights of the file."""
    small = shrink(toonforge.load_recipe(name), steps=STEPS)
    features = changed(small.networks["V"], weights=str(weights))
    return changed(small, networks={"V": features}, train=changed(small.train, precision=precision))


def batches(count: int, dtype: torch.dtype = torch.float32) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(7)
    fields = ("photo", "anime", "smooth")
    return [
        {field: torch.rand(2, 3, 32, 32, generator=generator, dtype=dtype) * 2 - 1 for field in fields}
        for _ in range(count)
    ]


def vgg(weights: Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """conv2_1 before its ReLU, in plain functions."""
    state = {name: value.to(dtype) for name, value in torch.load(weights, weights_only=True).items()}
    mean, std = (values.to(dtype).view(3, 1, 1) for values in (MEAN, STD))

    class Plain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = ((x + 1) / 2 - mean) / std
            for index in (0, 2, 5):
                if index == 5:
                    x = functional.max_pool2d(x, 2)
                x = functional.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1)
                x = x if index == 5 else x.relu()
            return x

    return Plain()


def log_loss(logits: Tensor, real: bool) -> Tensor:
    """-log D or -log(1 - D) from the definition, in double precision."""
    probability = torch.sigmoid(logits.double())
    return -torch.log(probability if real else 1 - probability).mean()


def test_every_term_is_cartoongans_to_a_millionth(weights: Path) -> None:
    training = Training(recipe("cartoongan/cartoongan", weights), 2 * STEPS, 1)
    V = vgg(weights)
    for step, batch in enumerate(batches(2 * STEPS)):
        G, D = (copy.deepcopy(training.networks[name]) for name in "GD")
        training.step(step, [batch])
        found, totals, _ = training.read()
        with torch.no_grad():
            fake = G(batch["photo"])
            content = float((V(fake).double() - V(batch["photo"]).double()).abs().mean())
            if step < STEPS:
                assert found == pytest.approx({"initialisation.content": content}, abs=1e-6)
                assert totals["initialisation"] == pytest.approx(10 * content, rel=1e-6)
                continue
            terms = {
                "discriminator.cartoons": float(log_loss(D(batch["anime"]), real=True)),
                "discriminator.smoothed": float(log_loss(D(batch["smooth"]), real=False)),
                "discriminator.generated": float(log_loss(D(fake), real=False)),
                # The discriminator has made its step when it judges for the generator.
                "generator.fool": float(log_loss(training.networks["D"](fake), real=True)),
                "generator.content": content,
            }
        assert found == pytest.approx(terms, abs=1e-6)
        assert totals["discriminator"] == pytest.approx(sum(list(terms.values())[:3]), abs=1e-5)
        assert totals["generator"] == pytest.approx(terms["generator.fool"] + 10 * content, rel=1e-6)


def by_hand(G: nn.Module, D: nn.Module, V: nn.Module, data: list[dict[str, Tensor]]) -> None:
    bce = functional.binary_cross_entropy_with_logits
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (G, D))
    for step, batch in enumerate(data):
        # Constant at first; then a tenth from the middle of the adversarial steps on, a hundredth in their last quarter.
        past = (step - STEPS) / STEPS
        for group in (*opt_g.param_groups, *opt_d.param_groups):
            group["lr"] = 2e-4 * (0.01 if past >= 0.75 else 0.1 if past >= 0.5 else 1)
        fake = G(batch["photo"])
        content = 10 * functional.l1_loss(V(fake), V(batch["photo"]))
        if step >= STEPS:
            opt_d.zero_grad()
            loss = torch.zeros(())
            for pictures, label in ((batch["anime"], 1.0), (batch["smooth"], 0.0), (fake.detach(), 0.0)):
                logits = D(pictures)
                loss = loss + bce(logits, torch.full_like(logits, label))
            loss.backward()
            opt_d.step()
            judged = D(fake)
            content = bce(judged, torch.ones_like(judged)) + content
        opt_g.zero_grad()
        content.backward()
        opt_g.step()


def test_initialisation_and_training_make_the_weights_of_a_loop_by_hand(weights: Path) -> None:
    # In double precision: rounding in the biases before a norm, whose gradient is 0, would be whole steps of Adam's.
    training = Training(recipe("cartoongan/cartoongan", weights, "fp64"), 2 * STEPS, 1)
    G, D = (copy.deepcopy(training.networks[name]) for name in "GD")
    before = copy.deepcopy(training.networks["V"].state_dict())
    data = batches(2 * STEPS, torch.float64)
    for step, batch in enumerate(data):
        training.step(step, [batch])
    by_hand(G, D, vgg(weights, torch.float64), data)
    for name, network in (("G", G), ("D", D)):
        ours, theirs = training.networks[name].state_dict(), network.state_dict()
        for key, value in ours.items():
            assert (value - theirs[key]).abs().max() < 1e-9, f"{name}.{key}"
    assert all(torch.equal(value, before[key]) for key, value in training.networks["V"].state_dict().items())


def test_the_original_sums_three_least_squares_at_full_weight(weights: Path) -> None:
    training = Training(recipe("cartoongan/original", weights), 2 * STEPS, 1)
    data = batches(STEPS + 1)
    for step in range(STEPS):
        training.step(step, [data[step]])
    G, D = (copy.deepcopy(training.networks[name]) for name in "GD")
    batch = data[STEPS]
    training.step(STEPS, [batch])
    found, totals, _ = training.read()
    with torch.no_grad():
        fake = G(batch["photo"])  # the pool is empty: it passes on what it is given
        terms = {
            "cartoons": float((D(batch["anime"]).double() - 1).square().mean()),
            "smoothed": float(D(batch["smooth"]).double().square().mean()),
            "generated": float(D(fake).double().square().mean()),
        }
    assert {name: found[f"discriminator.{name}"] for name in terms} == pytest.approx(terms, abs=1e-6)
    assert totals["discriminator"] == pytest.approx(sum(terms.values()), abs=1e-6)


def test_features_are_frozen_until_their_phase_and_learn_from_then_on(weights: Path) -> None:
    small = recipe("cartoongan/trained-features", weights)
    start = small.phases["features"].from_.steps
    assert start == 2 * STEPS
    training = Training(small, start + 2, 1)
    before = copy.deepcopy(training.networks["V"].state_dict())
    for step, batch in enumerate(batches(start + 2)):
        training.step(step, [batch])
        same = all(torch.equal(value, before[key]) for key, value in training.networks["V"].state_dict().items())
        assert same == (step < start), f"step {step}"


def test_the_step_of_the_features_is_theirs_alone_on_the_picture_that_the_generator_made(weights: Path) -> None:
    """G and D make the paper's step, V one of Adam's at 1e-5 on the content term, G held still."""
    small = recipe("cartoongan/trained-features", weights, "fp64")
    start = small.phases["features"].from_.steps
    training = Training(small, start + 4, 1)
    paper = Training(recipe("cartoongan/cartoongan", weights, "fp64"), start + 4, 1)
    data = batches(start + 1, torch.float64)
    for step in range(start):
        training.step(step, [data[step]])
        paper.step(step, [data[step]])
    G, V = (copy.deepcopy(training.networks[name]).requires_grad_(True) for name in "GV")
    training.step(start, [data[start]])
    paper.step(start, [data[start]])
    for name in "GD":
        others = paper.networks[name].state_dict()
        assert all(torch.equal(value, others[key]) for key, value in training.networks[name].state_dict().items())
    optimizer = torch.optim.Adam(V.parameters(), lr=1e-5, betas=(0.5, 0.999))
    photo = data[start]["photo"]
    content = functional.l1_loss(V(G(photo).detach()), V(photo))
    (10 * content).backward()
    optimizer.step()
    assert training.read()[0]["features.content"] == pytest.approx(content.item(), abs=1e-9)
    theirs = V.state_dict()
    for key, value in training.networks["V"].state_dict().items():
        assert (value - theirs[key]).abs().max() < 1e-9, key


def test_features_that_learn_alone_make_the_content_loss_say_nothing(weights: Path) -> None:
    """The danger that the recipe's header names, hurried: three convolutions at 1e-3, where the recipe has 1e-5."""
    torch.manual_seed(0)
    network = toonforge.networks["vgg19"](layer="conv2_1", weights=str(weights)).build()
    batch = batches(1)[0]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    values = []
    for _ in range(30):
        loss = functional.l1_loss(network(batch["photo"]), network(batch["anime"]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < values[0] / 4
