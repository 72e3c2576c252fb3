"""Convolutions by matrices compute what torch's own do, with the same gradients, and only where they are meant to."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from toonforge import load_recipe
from toonforge.nn import few_pixels
from toonforge.nn.few_pixels import FewPixelsConv2d, FewPixelsConvTranspose2d, by_matrices
from toonforge.nn.quick import as_written, quicken
from toonforge.train.step import Training, make_accelerator

NEW = (FewPixelsConv2d, FewPixelsConvTranspose2d)


@pytest.fixture(autouse=True, scope="module")
def _small_weights_are_large() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_pixels, "WEIGHTS", 1)
        yield


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
LAYERS = st.fixed_dictionaries(
    {
        "kernel_size": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "stride": PAIRS,
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "dilation": PAIRS,
        "bias": st.booleans(),
    }
)


def gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The output, its gradients, and the gradient of these, as gradient penalties need it."""
    given = [x, *layer.parameters()]
    y = layer(x)
    first = torch.autograd.grad(y.square().sum(), given, create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), [x, layer.weight])
    return [y, *first, *second]


@settings(max_examples=100)
@given(
    kind=st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]),
    how=LAYERS,
    shape=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    last=st.booleans(),
)
def test_convolutions_by_matrices_have_torchs_values_and_gradients(
    kind: Any, how: dict[str, Any], shape: tuple[int, int, int], last: bool
) -> None:
    torch.manual_seed(0)
    layer = kind(3, 4, **how).double()
    x = torch.randn(shape[0], 3, *shape[1:], dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format).requires_grad_()
    try:
        expected = gradients(layer, x)
    except RuntimeError:  # no pixel is left
        with pytest.raises(RuntimeError):
            by_matrices(layer)(x)
        return
    pixels = expected[0] if kind is nn.Conv2d else x
    assume(pixels.shape[0] * pixels.shape[2] * pixels.shape[3] <= few_pixels.PIXELS)
    for ours, theirs in zip(gradients(by_matrices(layer), x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def computes_otherwise(layer: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a product of matrices is taken for it."""
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(few_pixels, "_rows", lambda value: (seen.append(1), value)[1])
        layer(x)
    return bool(seen)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_matrices_are_taken_for_few_pixels_with_a_gradient_alone(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = by_matrices(kind(3, 4, 3, padding=1))
    few, many = torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    assert computes_otherwise(layer, few, monkeypatch)
    assert not computes_otherwise(layer, many, monkeypatch)
    with torch.no_grad():
        assert not computes_otherwise(layer, few, monkeypatch)
    with as_written():
        assert not computes_otherwise(layer, few, monkeypatch)
    with torch.autocast("cpu", torch.bfloat16):
        assert not computes_otherwise(layer, few, monkeypatch)
    assert not computes_otherwise(layer.to(memory_format=torch.channels_last), few, monkeypatch)


def test_other_layers_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(nn.Conv2d):
        pass

    left = [
        Own(4, 4, 3),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(4, 4, 3, stride=2, output_padding=1),
        torch.nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)),
        nn.Linear(3, 3),
    ]
    assert not any(isinstance(by_matrices(layer), NEW) for layer in left)
    monkeypatch.setattr(few_pixels, "WEIGHTS", 4 * 4 * 9 + 1)
    assert not isinstance(by_matrices(nn.Conv2d(4, 4, 3)), NEW)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_wrong_inputs_have_torchs_own_words(kind: Any) -> None:
    layer = by_matrices(kind(3, 4, 3))
    for wrong in (torch.zeros(1, 2, 8, 8), torch.zeros(3, 8)):
        with pytest.raises(RuntimeError) as ours:
            layer(wrong)
        with pytest.raises(RuntimeError) as theirs:
            kind(3, 4, 3)(wrong)
        assert str(ours.value) == str(theirs.value)
    assert layer(torch.zeros(3, 8, 8)).shape == kind(3, 4, 3)(torch.zeros(3, 8, 8)).shape


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("side", [1, 2, 4])
def test_what_it_yields_may_be_changed_in_place(kind: Any, norm: bool, bias: bool, side: int) -> None:
    """By activations that save memory, as the original's U-Net has them everywhere."""
    torch.manual_seed(0)
    how = (4, 2, 1) if kind is nn.Conv2d and side > 1 else (3, 1, 1)
    between = [nn.InstanceNorm2d(4)] if norm and side == 4 else []
    plain = nn.Sequential(kind(3, 4, *how, bias=bias), *between, nn.ReLU(inplace=True)).double()
    x = torch.randn(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    ours = by_matrices(quicken(copy.deepcopy(plain)))
    for one, other in zip(gradients_of(ours, x), gradients_of(plain, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def gradients_of(network: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(network(x).square().sum(), [x, *network.parameters()])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Conv2d(3, 4, 4), (1, 3, 2, 2)), (nn.Conv2d(3, 4, 4), (1, 3, 1, 1)), (nn.Conv2d(3, 4, 4), (1, 3, 2, 8))],
    ids=["both", "one pixel", "rows"],
)
def test_a_kernel_larger_than_the_picture_has_torchs_own_words(layer: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError) as theirs:
        layer(torch.zeros(shape))
    with pytest.raises(RuntimeError) as ours:
        by_matrices(copy.deepcopy(layer))(torch.zeros(shape))
    assert str(ours.value) == str(theirs.value)


def test_names_copies_and_text_stay() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.ConvTranspose2d(4, 3, 4, 2, 1))
    ours = by_matrices(copy.deepcopy(plain))
    assert isinstance(ours[0], NEW) and isinstance(ours[1], NEW)
    assert ours.state_dict().keys() == plain.state_dict().keys() and repr(ours) == repr(plain)
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(copy.deepcopy(ours)(x), plain(x))


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_bias_before_an_instance_norm_is_still_left_out(kind: Any) -> None:
    plain = nn.Sequential(kind(3, 4, 4, 2, 1), nn.InstanceNorm2d(4)).double()
    ours = by_matrices(quicken(copy.deepcopy(plain)))
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(ours(x), plain(x), rtol=1e-10, atol=1e-10)
    ours(x).square().sum().backward()
    assert not ours[0].bias.grad.any()


def test_a_training_with_matrices_is_the_one_without_to_rounding() -> None:
    def trained(speed: list[str]) -> dict[str, Tensor]:
        settings = [f"train.speed={json.dumps(speed)}", 'train.precision="fp64"', "data.load_size=32"]
        small = ["generators.G.width=4", "generators.G.levels=5", "discriminators.D.width=4", "data.image_size=32"]
        sgd = ['train.optimizer={type="sgd",lr=1e-3}']  # Adam makes steps of a gradient's rounding
        recipe = load_recipe("pix2pix/pix2pix", [*settings, *small, *sgd])
        training = Training(recipe, 4, 4, make_accelerator("fp64", cpu=True))
        assert any(isinstance(m, NEW) for m in training.networks["G"].modules()) == bool(speed)
        drawn = torch.Generator().manual_seed(2)
        for step in range(3):
            training.step(step, [{key: torch.rand(1, 3, 32, 32, generator=drawn) for key in ("photo", "cartoon")}])
        return {f"{n}.{k}": v for n, m in training.networks.items() for k, v in m.state_dict().items()}

    ours, theirs = trained(["matrix-convolutions"]), trained([])
    for key, value in ours.items():
        torch.testing.assert_close(value, theirs[key], rtol=1e-10, atol=1e-10)
