"""Every loss against its formula in numpy, its shape check, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from toonforge.components import expressions, network_names
from toonforge.errors import FieldError, ShapeError
from toonforge.losses import BCE, L1, L2, LSGAN, FeatureL1, GradientPenalty, Hinge, TotalVariation, Wasserstein
from toonforge.recipe.expr import Expr, Network

X, Y = Expr.parse("x"), Expr.parse("y")


def tensors(*shape: int, count: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def adversarial_reference(kind: str, x: np.ndarray, real: bool) -> float:
    if kind == "lsgan":
        return float(np.mean((x - (1.0 if real else 0.0)) ** 2))
    if kind == "bce":
        p = 1 / (1 + np.exp(-x))
        return float(np.mean(-np.log(p if real else 1 - p)))
    if kind == "wasserstein":
        return float(-np.mean(x) if real else np.mean(x))
    return float(np.mean(np.maximum(0, 1 - x if real else 1 + x)))


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("kind", ["lsgan", "bce", "wasserstein", "hinge"])
@settings(max_examples=20)
@given(values=st.lists(st.floats(-20, 20), min_size=1, max_size=12))
def test_adversarial_losses_are_their_formulas(kind: str, real: bool, values: list[float]) -> None:
    classes = {"lsgan": LSGAN, "bce": BCE, "wasserstein": Wasserstein}
    config = Hinge(logits=X, role="real" if real else "fake") if kind == "hinge" else classes[kind](logits=X, real=real)
    logits = torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)
    assert config.build()(logits=logits).item() == pytest.approx(
        adversarial_reference(kind, np.array(values), real), rel=1e-6, abs=1e-6
    )


def test_a_generators_hinge_is_minus_the_mean() -> None:
    (logits,) = tensors(2, 1, 3, 3, count=1)
    loss = Hinge(logits=X, role="generator").build()(logits=logits)
    assert loss.item() == pytest.approx(-logits.numpy().mean(), abs=1e-12)


def test_bce_stays_finite_for_confident_logits() -> None:
    logits = torch.tensor([1e4, -1e4])
    assert BCE(logits=X, real=True).build()(logits=logits).item() == pytest.approx(5e3)


def test_distances_are_their_formulas() -> None:
    x, y = tensors(2, 3, 5, 4)
    difference = x.numpy() - y.numpy()
    assert L1(input=X, target=Y).build()(input=x, target=y).item() == pytest.approx(np.abs(difference).mean())
    assert L2(input=X, target=Y).build()(input=x, target=y).item() == pytest.approx((difference**2).mean())


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_total_variation_is_its_formula(norm: str) -> None:
    (x,) = tensors(2, 3, 5, 4, count=1)
    power = {"l1": 1, "l2": 2}[norm]
    expected = sum(np.mean(np.abs(np.diff(x.numpy(), axis=axis)) ** power) for axis in (2, 3))
    assert TotalVariation(input=X, norm=norm).build()(input=x).item() == pytest.approx(expected)


def test_total_variation_of_a_flat_picture_is_nothing() -> None:
    assert TotalVariation(input=X).build()(input=torch.full((1, 3, 4, 4), 0.3)).item() == 0


def test_feature_l1_compares_what_the_network_yields() -> None:
    x, y = tensors(2, 3, 5, 4)
    double = nn.Conv2d(3, 3, 1, bias=False, groups=3).double()
    nn.init.constant_(double.weight, 2.0)
    loss = FeatureL1(input=X, target=Y, features=Network("V")).build()(input=x, target=y, features=double)
    assert loss.item() == pytest.approx(2 * np.abs(x.numpy() - y.numpy()).mean())


def test_gradient_penalty_of_a_linear_critic_is_known() -> None:
    real, fake = tensors(4, 3, 2, 2)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(12, 1)).double()
    weight = critic[1].weight
    config = GradientPenalty(discriminator=Network("D"), real=X, fake=Y)
    penalty = config.build()(real=real, fake=fake, discriminator=critic)
    norm = np.linalg.norm(weight.detach().numpy())
    assert penalty.item() == pytest.approx((norm - 1) ** 2)
    penalty.backward()
    assert np.allclose(weight.grad.numpy(), 2 * (norm - 1) / norm * weight.detach().numpy())


def test_gradient_penalty_looks_between_real_and_fake() -> None:
    real, fake = torch.zeros(64, 1, 1, 1, dtype=torch.float64), torch.ones(64, 1, 1, 1, dtype=torch.float64)
    seen: list[torch.Tensor] = []

    class Critic(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.detach())
            return x.square()

    GradientPenalty(discriminator=Network("D"), real=X, fake=Y).build()(real=real, fake=fake, discriminator=Critic())
    assert 0 <= seen[0].min() < 0.2 < 0.8 < seen[0].max() <= 1
    assert len(seen[0].unique()) == 64


def test_gradient_penalty_leaves_the_generator_alone() -> None:
    real, fake = tensors(2, 3, 2, 2)
    fake.requires_grad_()
    critic = nn.Conv2d(3, 1, 2).double()
    loss = GradientPenalty(discriminator=Network("D"), real=X, fake=Y).build()
    loss(real=real, fake=fake, discriminator=critic).backward()
    assert fake.grad is None
    assert critic.weight.grad is not None


@pytest.mark.parametrize(
    "config",
    [
        L1(input=X, target=Y),
        L2(input=X, target=Y),
        FeatureL1(input=X, target=Y, features=Network("V")),
    ],
)
def test_shapes_that_differ_are_refused(config: L1) -> None:
    config.check(input=(3, 8, 8), target=(3, 8, 8))
    with pytest.raises(ShapeError, match="input is 3x8x8, target is 3x8x9"):
        config.check(input=(3, 8, 8), target=(3, 8, 9))


def test_penalties_and_variation_refuse_what_is_no_picture() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        GradientPenalty(discriminator=Network("D"), real=X, fake=Y).check(real=(3, 8, 8), fake=(3, 4, 4))
    with pytest.raises(ShapeError, match="picture"):
        TotalVariation(input=X).check(input=())
    with pytest.raises(ShapeError, match="2 pixels"):
        TotalVariation(input=X).check(input=(3, 1, 8))


def test_fields_say_what_they_hold() -> None:
    config = GradientPenalty(discriminator=Network("D"), real=X, fake=Y)
    assert list(expressions(config)) == ["real", "fake"]
    assert network_names(config) == {"discriminator": "D"}
    with pytest.raises(FieldError):
        GradientPenalty(discriminator=Network("D"), real=X, fake=Y, norm=-1)


def test_feature_l1_over_several_maps_is_the_mean_of_the_single_ones() -> None:
    from toonforge.losses import FeatureL1
    from toonforge.recipe.expr import Expr, Network

    def maps(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return 2 * x, x[:, :1] - 1

    a, b = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    fields = {"input": Expr.parse("a"), "target": Expr.parse("b"), "features": Network("V")}
    plain = FeatureL1(**fields).build()(input=a, target=b, features=maps)
    terms = [(2 * a - 2 * b).abs().mean(), (a[:, :1] - b[:, :1]).abs().mean()]
    assert torch.allclose(plain, (terms[0] + terms[1]) / 2, atol=1e-6)
    relative = FeatureL1(**fields, relative=True).build()(input=a, target=b, features=maps)
    pictures = [(maps(one), maps(other)) for one, other in zip(a.split(1), b.split(1), strict=True)]
    shares = [(o - t).abs().mean() / t.abs().mean() for ours, theirs in pictures for o, t in zip(ours, theirs)]
    assert torch.allclose(relative, torch.stack(shares).mean(), atol=1e-6)


def test_gradient_penalty_of_a_constant_critic_has_finite_gradients() -> None:
    from toonforge.losses import GradientPenalty
    from toonforge.recipe.expr import Expr, Network

    critic = torch.nn.Conv2d(3, 1, 1)
    torch.nn.init.zeros_(critic.weight)
    config = GradientPenalty(discriminator=Network("D"), real=Expr.parse("a"), fake=Expr.parse("b"))
    value = config.build()(real=torch.rand(2, 3, 4, 4), fake=torch.rand(2, 3, 4, 4), discriminator=critic)
    assert value == 1
    value.backward()
    assert critic.weight.grad is not None and critic.weight.grad.isfinite().all()
