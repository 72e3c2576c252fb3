"""3x3 convolutions by minimal filtering compute what torch's own do, with the same gradients, and only where meant to."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from toonforge.nn import few_pixels, winograd
from toonforge.nn.quick import as_written, quicken
from toonforge.nn.resnet import ResnetGenerator
from toonforge.nn.winograd import WinogradConv2d, by_winograd
from toonforge.speed.choice import choose
from toonforge.speed.layout import arranged
from toonforge.speed.tricks import Situation


@pytest.fixture(autouse=True, scope="module")
def _narrow_is_wide() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "CHANNELS", 16)
        patch.setattr(winograd, "TILES", 1)
        patch.setattr(winograd, "TOGETHER", 8)  # several parts, the last one shorter
        yield


def last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    y = layer(x)
    weighed = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad((y * weighed).sum(), [x, *layer.parameters()])]


@settings(max_examples=60)
@given(
    count=st.integers(1, 3),
    sides=st.tuples(st.integers(4, 13), st.integers(4, 13)),
    channels=st.tuples(st.sampled_from([16, 32]), st.sampled_from([16, 48])),
    padding=st.one_of(st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2))),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    bias=st.booleans(),
)
def test_values_and_gradients_are_those_of_the_convolution(
    count: int, sides: tuple[int, int], channels: tuple[int, int], padding: Any, mode: str, bias: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(*channels, 3, padding=padding, padding_mode=mode, bias=bias).double()
    layer.to(memory_format=torch.channels_last)
    x = last(torch.randn(count, channels[0], *sides, dtype=torch.float64)).requires_grad_()
    expected = gradients(layer, x)
    quick = by_winograd(layer)
    assert type(quick) is WinogradConv2d
    for ours, theirs in zip(gradients(quick, x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an item for each convolution that is computed so."""
    calls: list[int] = []
    real = winograd._Winograd.apply
    monkeypatch.setattr(winograd._Winograd, "apply", lambda *given: (calls.append(1), real(*given))[1])
    return calls


@pytest.mark.parametrize("wanted", ["x", "weight"])
def test_only_the_gradient_that_is_wanted_is_computed(wanted: str) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 16, 3, bias=False).to(memory_format=torch.channels_last)
    x = last(torch.randn(1, 16, 10, 10)).requires_grad_(wanted == "x")
    layer.weight.requires_grad_(wanted == "weight")
    expected = torch.autograd.grad(layer(x).square().sum(), x if wanted == "x" else layer.weight)
    found = torch.autograd.grad(by_winograd(layer)(x).square().sum(), x if wanted == "x" else layer.weight)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_gradients_have_gradients() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 16, 3, padding=1).double().to(memory_format=torch.channels_last)
    x = last(torch.randn(2, 16, 6, 6, dtype=torch.float64)).requires_grad_()

    def penalty() -> tuple[Tensor, ...]:
        (slope,) = torch.autograd.grad(layer(x).tanh().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [x, *layer.parameters()])

    expected = penalty()
    by_winograd(layer)
    for ours, theirs in zip(penalty(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_a_picture_comes_out_the_same_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    layer = by_winograd(nn.Conv2d(32, 32, 3, padding=1).to(memory_format=torch.channels_last))
    x = last(torch.randn(3, 32, 11, 12))
    with torch.no_grad():
        together = layer(x)
        for index in range(3):
            assert torch.equal(layer(last(x[index : index + 1]))[0], together[index])


def test_float32_is_off_by_rounding_alone() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last)
    x = last(torch.randn(1, 256, 24, 24))
    with torch.no_grad():
        exact = copy.deepcopy(layer).double()(x.double())
        error = (by_winograd(layer)(x) - exact).abs().max() / exact.abs().max()
    assert error < 3e-6


@pytest.mark.parametrize(
    "other",
    [
        {"kernel_size": 5},
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 3, "dilation": 2},
        {"kernel_size": 3, "groups": 2},
        {"kernel_size": 3, "padding": "same"},
    ],
)
def test_other_convolutions_stay_as_they_are(other: dict[str, Any]) -> None:
    layer = nn.Conv2d(16, 16, **other)
    assert type(by_winograd(layer)) is nn.Conv2d
    assert type(by_winograd(nn.Conv2d(8, 16, 3))) is nn.Conv2d


def test_it_is_taken_in_channels_last_alone_and_not_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = taken(monkeypatch)
    layer = by_winograd(nn.Conv2d(16, 16, 3).to(memory_format=torch.channels_last))
    x = torch.randn(2, 16, 8, 8)
    layer(x)
    with as_written():
        layer(last(x))
    with torch.autocast("cpu", torch.bfloat16):
        layer(last(x))
    layer.bfloat16()(last(x).bfloat16())
    assert not calls
    layer.float()(last(x))
    assert len(calls) == 1


def test_pictures_of_few_tiles_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "TILES", 16)
    calls = taken(monkeypatch)
    layer = by_winograd(nn.Conv2d(16, 16, 3, padding=1).to(memory_format=torch.channels_last))
    layer(last(torch.randn(4, 16, 6, 8)))
    assert not calls
    layer(last(torch.randn(1, 16, 8, 8)))
    assert len(calls) == 1


def test_what_the_layer_refuses_is_said_by_torch() -> None:
    layer = by_winograd(nn.Conv2d(16, 16, 3).to(memory_format=torch.channels_last))
    with pytest.raises(RuntimeError, match="channels"):
        layer(last(torch.randn(1, 32, 8, 8)))
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        layer(last(torch.randn(1, 16, 2, 8)))


def test_a_network_computes_the_same_with_its_dead_biases_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = taken(monkeypatch)
    torch.manual_seed(0)
    network = ResnetGenerator(width=4, blocks=2).double()
    x = torch.randn(2, 3, 16, 20, dtype=torch.float64, requires_grad=True)
    expected = gradients(network, x)
    assert not calls
    auto = choose("auto", Situation(device="cpu"))
    quick = arranged(network, auto, "cpu")
    found = gradients(quick, x)
    assert len(calls) == 4  # both of both blocks
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)
    assert repr(quick.state_dict().keys()) == repr(ResnetGenerator(width=4, blocks=2).state_dict().keys())


def test_layers_that_are_large_enough_for_matrices_too_are_computed_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_pixels, "WEIGHTS", 1)
    network = ResnetGenerator(width=4, blocks=2, padding="zero")
    arranged(network, choose("auto", Situation(device="cpu")), "cpu")
    assert sum(isinstance(layer, WinogradConv2d) for layer in network.modules()) == 4
    assert any(isinstance(layer, few_pixels.FewPixelsConv2d) for layer in network.modules())


def test_sequences_leave_its_dead_bias_out(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = nn.Sequential(nn.Conv2d(16, 16, 3), nn.InstanceNorm2d(16)).to(memory_format=torch.channels_last)
    quicken(by_winograd(layers))
    x = last(torch.randn(1, 16, 8, 8))
    layers(x).square().sum().backward()
    bias = layers[0].bias
    assert isinstance(bias, nn.Parameter) and bias.grad is not None and not bias.grad.any()


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_what_it_yields_may_be_changed_in_place(bias: bool, norm: bool) -> None:
    torch.manual_seed(0)
    between = [nn.InstanceNorm2d(16)] if norm else []
    plain = nn.Sequential(nn.Conv2d(16, 16, 3, bias=bias), *between, nn.ReLU(inplace=True)).double()
    ours = quicken(by_winograd(copy.deepcopy(plain))).to(memory_format=torch.channels_last)
    for side in (8, 9):
        x = last(torch.randn(1, 16, side, side, dtype=torch.float64)).requires_grad_()
        for one, other in zip(gradients(ours, x), gradients(plain, x.detach().contiguous().requires_grad_())):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_kept_filters_are_made_anew_when_the_weight_has_changed() -> None:
    torch.manual_seed(0)
    layer = by_winograd(nn.Sequential(nn.Conv2d(256, 256, 3, padding=1))).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    winograd.keep_filters(layer)
    x = torch.randn(1, 256, 16, 16).contiguous(memory_format=torch.channels_last)

    def apart() -> float:
        with torch.no_grad():
            found = layer(x)
        with as_written():
            return (found - layer(x)).abs().max().item()

    assert apart() < 1e-4 and layer[0]._kept is not None
    with torch.no_grad():
        layer[0].weight.mul_(-1)
    assert apart() < 1e-4
    layer.load_state_dict({key: value + 1 for key, value in layer.state_dict().items()})
    assert apart() < 1e-2
    layer[0].weight = nn.Parameter(torch.randn(256, 256, 3, 3).contiguous(memory_format=torch.channels_last))
    assert apart() < 1e-2
    assert [*layer.state_dict()] == ["0.weight", "0.bias"]
    copied = copy.deepcopy(layer)
    assert copied[0]._kept is None and copied[0].keeps
    halved = layer.half().float()
    assert halved[0]._kept is None
    assert apart() < 1e-2
