"""Quick norms compute what torch's own layers do: outputs, gradients, gradients of gradients; and hide nothing."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from tests.plain_recipes import assert_equal, plain, trained
from tests.ranks import together
from tests.test_split_backward import with_speed
from toonforge.nn import quick, strided
from toonforge.nn.norms import PictureBatchNorm2d
from toonforge.nn.quick import QuickInstanceNorm2d, as_written, quicken
from toonforge.nn.written import written
from toonforge.use.tiled.trace import traced

LAST = torch.channels_last


def stage(affine: bool = False, transposed: bool = False, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """Convolutions of each kind before a norm, with biases that are not 0."""
    torch.manual_seed(0)
    grow: nn.Module = nn.ConvTranspose2d(4, 6, 3, 2, 1, 1) if transposed else nn.Conv2d(4, 6, 3, 2, 1)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.InstanceNorm2d(4, affine=affine),
        nn.LeakyReLU(0.2, inplace=True),
        grow,
        nn.InstanceNorm2d(6, 1e-3, affine=affine),
        nn.Conv2d(6, 2, 1),
    )
    for key, parameter in network.named_parameters():
        if key.endswith("bias"):
            nn.init.normal_(parameter)
    return network.to(dtype)


def both(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """As torch computes it, and quick."""
    return network, quicken(copy.deepcopy(network))


def gradients(network: nn.Module, x: Tensor, penalty: bool = False) -> list[Tensor]:
    """The output's, by the input and all parameters; or those of a gradient penalty."""
    x = x.clone().requires_grad_()
    y = network(x)
    if penalty:
        (slope,) = torch.autograd.grad(y.tanh().sum(), x, create_graph=True)
        y = slope
    y.square().sum().backward()
    assert x.grad is not None
    return [y.detach(), x.grad, *(p.grad for p in network.parameters() if p.grad is not None)]


@settings(max_examples=40)
@given(
    count=st.integers(1, 3),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
    affine=st.booleans(),
    transposed=st.booleans(),
    layout=st.sampled_from(["pictures", "weights", "neither"]),
    penalty=st.booleans(),
)
def test_equal_to_torchs_own_layers(
    count: int, height: int, width: int, affine: bool, transposed: bool, layout: str, penalty: bool
) -> None:
    written, quick = both(stage(affine, transposed))
    x = torch.randn(count, 3, height, width, dtype=torch.float64)
    expected = gradients(written, x, penalty)
    if layout == "weights":
        quick.to(memory_format=LAST)  # type: ignore[call-overload]
    found = gradients(quick, x.contiguous(memory_format=LAST) if layout == "pictures" else x, penalty)
    largest = max(1.0, *(float(value.abs().max()) for value in expected))
    assert len(found) == len(expected)
    for one, other in zip(expected, found, strict=True):
        assert float((one - other).abs().max()) <= 1e-9 * largest


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("side", [64, 512])
def test_exact_for_pictures_of_any_size(side: int, learning: bool) -> None:
    """Torch's batch norm in channels-last is off by 3e-4 at 512 pixels."""
    torch.manual_seed(0)
    x = torch.randn(1, 4, side, side) + 10
    expected = functional.instance_norm(x.double())
    with torch.set_grad_enabled(learning):
        found = quicken(nn.InstanceNorm2d(4))(x.contiguous(memory_format=LAST))
    assert float((found - expected).abs().max()) < 5e-5


def errors(x: Tensor, slope: Tensor, norm: nn.Module, learning: bool) -> list[float]:
    """Of the largest, in the output and in the gradient."""
    exact = x.double().contiguous().requires_grad_()
    expected = functional.instance_norm(exact)
    expected.backward(slope.double().contiguous())
    x = x.clone().requires_grad_(learning)
    with torch.set_grad_enabled(learning):
        y = norm(x)
    found = [(y.detach(), expected.detach())]
    if learning:
        y.backward(slope)
        found.append((x.grad, exact.grad))
    return [float((one - other).abs().max() / other.abs().max()) for one, other in found]


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("side", [64, 128], ids=["usual", "the largest by the batch norm's kernel"])
@pytest.mark.parametrize("deviations", [2, 8, 100])
def test_a_mean_far_larger_than_the_deviation_is_taken_out_exactly(
    deviations: float, side: int, learning: bool
) -> None:
    """Within ten times of what torch's own is off by, and no more than sums of so many numbers in 32 bits are."""
    assert quick.PIXELS == 128**2
    torch.manual_seed(0)
    x, slope = torch.randn(1, 4, side, side) / deviations + 1, torch.randn(1, 4, side, side) + 0.5
    theirs = errors(x, slope, nn.InstanceNorm2d(4), learning)
    ours = errors(
        *(value.contiguous(memory_format=LAST) for value in (x, slope)), quicken(nn.InstanceNorm2d(4)), learning
    )
    assert all(one <= max(10 * other, 1e-5) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("side", [64, 128, 256])
def test_flat_pictures_are_normalised_to_the_fourth_digit(side: int, learning: bool) -> None:
    """Sums of equal numbers round to one side."""
    torch.manual_seed(0)
    for x in (torch.randn(1, 4, side, side).relu(), (torch.rand(1, 4, side, side) > 0.5) * 0.3):
        with torch.set_grad_enabled(learning):
            found = quicken(nn.InstanceNorm2d(4))(x.contiguous(memory_format=LAST))
        exact = functional.instance_norm(x.double())
        assert (found - exact).abs().max() <= 2e-4 * exact.abs().max()


def test_nan_in_one_channel_stays_there() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 64, 64) * 0.01 + 1
    x[0, 0, 0, 0] = torch.nan
    found = quicken(nn.InstanceNorm2d(4))(x.contiguous(memory_format=LAST))
    assert found[0, 0].isnan().all()
    assert torch.allclose(found[:, 1:], functional.instance_norm(x[:, 1:].double()).float(), atol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
@pytest.mark.parametrize("learning", [True, False])
def test_a_picture_is_normalised_alike_alone_and_in_a_batch(layout: torch.memory_format, learning: bool) -> None:
    torch.manual_seed(0)
    norm = quicken(nn.InstanceNorm2d(5, affine=True))
    batch = torch.randn(4, 5, 37, 41).contiguous(memory_format=layout)
    with torch.set_grad_enabled(learning):
        whole = norm(batch)
        for index in range(4):
            assert torch.equal(whole[index], norm(batch[index : index + 1])[0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("penalty", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_of_weights_in_another_layout_are_equal(
    monkeypatch: pytest.MonkeyPatch, transposed: bool, penalty: bool, bias: bool
) -> None:
    """As those of large convolutions with a stride are computed."""
    layouts: list[bool] = []
    convolved = strided.convolved
    monkeypatch.setattr(strided, "LEAST", 1)
    monkeypatch.setattr(strided, "convolved", lambda layer, x: layouts.append(True) or convolved(layer, x))
    network = stage(transposed=transposed)
    if not bias:
        network.get_submodule("3").bias = None
    written, quick = both(network)
    quick.to(memory_format=LAST)  # type: ignore[call-overload]
    x = torch.randn(2, 3, 8, 10, dtype=torch.float64)
    for one, other in zip(gradients(written, x, penalty), gradients(quick, x, penalty), strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-10)
    assert layouts, "none was computed in another layout"


# -- biases that the norm takes out -----------------------------------------------------------------------------------


def test_a_dead_bias_is_not_computed_and_its_gradient_is_zero() -> None:
    network = quicken(stage())
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    before = network(x)
    dead = [network.get_parameter(key) for key in ("0.bias", "3.bias")]
    with torch.no_grad():
        for bias in dead:
            bias.fill_(1e6)
    assert torch.equal(network(x), before)
    network(x).sum().backward()
    for bias in dead:
        assert bias.grad is not None and not bias.grad.any()
        assert bias.grad.shape == bias.shape
    assert network.get_parameter("5.bias").grad.any()  # type: ignore[union-attr]


def test_a_frozen_bias_gets_no_gradient() -> None:
    network = quicken(stage())
    network.get_parameter("0.bias").requires_grad_(False)
    network(torch.randn(1, 3, 8, 8, dtype=torch.float64)).sum().backward()
    assert network.get_parameter("0.bias").grad is None


def test_a_bias_before_anything_else_counts() -> None:
    torch.manual_seed(0)
    alive = [
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.InstanceNorm2d(4)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval(),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True)).eval(),
    ]
    for network in alive:
        x = torch.randn(2, 3, 8, 8)
        with torch.no_grad():
            network[0].bias.copy_(torch.tensor([0.0, 1.0, -2.0, 3.0]))  # type: ignore[operator, union-attr]
            assert torch.allclose(quicken(copy.deepcopy(network))(x), network(x), atol=1e-5)


def test_batch_norm_in_training_tracks_the_mean_with_the_bias() -> None:
    network, quick = both(nn.Sequential(nn.Conv2d(3, 4, 3), PictureBatchNorm2d(4)))
    x = torch.randn(3, 3, 8, 8) + 5
    assert torch.equal(network(x), quick(x))
    assert torch.equal(network[1].running_mean, quick[1].running_mean)  # type: ignore[index]
    assert torch.allclose(network.eval()(x), quick.eval()(x), atol=1e-5)


def seen_by_hook(network: nn.Module, x: Tensor) -> Tensor:
    found: list[Tensor] = []
    handle = network[0].register_forward_hook(lambda *all: found.append(all[2].detach().clone()))  # type: ignore[index]
    network(x)
    handle.remove()
    (output,) = found
    return output


def test_who_looks_at_a_convolution_sees_all_of_it() -> None:
    written, quick = both(stage())
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(seen_by_hook(written, x), seen_by_hook(quick, x))


def test_who_looks_at_a_norm_sees_what_it_is_given() -> None:
    torch_own, ours = both(stage())
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    given: list[Tensor] = []
    for network in (torch_own, ours):
        network.get_submodule("1").register_forward_pre_hook(lambda _, args: given.append(args[0].detach().clone()))
        network(x)
    assert torch.equal(*given)


def test_who_looks_at_all_modules_sees_all_of_them() -> None:
    torch_own, ours = both(stage())
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    seen: list[Tensor] = []
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, _, y: seen.append(y.detach().clone()) if isinstance(module, nn.Conv2d) else None
    )
    try:
        torch_own(x)
        ours(x)
    finally:
        handle.remove()
    assert len(seen) == 6 and torch.equal(seen[0], seen[3])


def test_a_forward_that_somebody_replaced_is_called() -> None:
    network = quicken(stage())
    first = network.get_submodule("0")
    called: list[int] = []
    forward = first.forward
    first.forward = lambda x: (called.append(1), forward(x))[1]  # type: ignore[method-assign]
    network(torch.randn(1, 3, 8, 8, dtype=torch.float64))
    assert called


@pytest.mark.parametrize("change", [spectral_norm, nn.utils.spectral_norm], ids=["parametrization", "hook"])
def test_weights_that_are_computed_are(change: Callable[[nn.Module], nn.Module]) -> None:
    network = stage()
    for index in (0, 3):
        change(network[index])
    written, quick = both(network.eval())
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(written(x), quick(x), atol=1e-12)
    assert not torch.allclose(quicken(stage())(x), quick(x), atol=1e-3)
    assert parametrize.is_parametrized(quick) == parametrize.is_parametrized(written)


# -- what others see --------------------------------------------------------------------------------------------------


def test_names_numbers_and_looks_stay() -> None:
    written, quick = both(stage(affine=True))
    assert repr(quick) == repr(written)
    assert list(quick.state_dict()) == list(written.state_dict())
    again = copy.deepcopy(quick)
    assert isinstance(again[1], QuickInstanceNorm2d)  # type: ignore[index]
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(again(x), quick(x))
    with torch.no_grad():
        again[0].weight.zero_()  # type: ignore[index, union-attr, operator]
    assert not torch.equal(again(x), quick(x))


def test_subclasses_compute_as_they_are_written() -> None:
    class Mine(nn.InstanceNorm2d):
        def forward(self, input: Tensor) -> Tensor:
            return input + 1

    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(quicken(nn.Sequential(Mine(4)))(x), x + 1)


def test_as_written_is_torchs_own_way() -> None:
    written, quick = both(stage(dtype=torch.float32))
    x = torch.randn(2, 3, 32, 32)
    with as_written():
        assert torch.equal(quick(x), written(x))
    assert not torch.equal(quick(x), written(x)), "nothing is quick"


def test_as_written_is_of_one_thread() -> None:
    seen: list[bool] = []
    with as_written():
        other = threading.Thread(target=lambda: seen.append(written()))
        other.start()
        other.join()
        assert written()
    assert seen == [False] and not written()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_convolutions_in_another_layout_may_be_changed_in_place(
    monkeypatch: pytest.MonkeyPatch, transposed: bool, norm: bool, bias: bool
) -> None:
    monkeypatch.setattr(strided, "LEAST", 1)
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    between = [nn.InstanceNorm2d(4)] if norm else []
    torch_own, ours = both(nn.Sequential(kind(3, 4, 4, 2, 1, bias=bias), *between, nn.ReLU(inplace=True)).double())
    ours.to(memory_format=LAST)  # type: ignore[call-overload]
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    for one, other in zip(gradients(torch_own, x), gradients(ours, x.contiguous(memory_format=LAST)), strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-10)


def test_traces_are_those_of_torchs_own_layers() -> None:
    written, quick = both(stage(dtype=torch.float32).eval())
    x = torch.randn(1, 3, 16, 16)
    one, other = ([str(node.target) for node in traced(network, [x]).graph.nodes] for network in (written, quick))
    assert one == other


def test_those_who_know_torchs_own_layers_alone_see_them() -> None:
    network = quicken(stage(dtype=torch.float32)).to(memory_format=LAST)  # type: ignore[call-overload]
    x = torch.randn(1, 3, 16, 16).contiguous(memory_format=LAST)
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def loss(weights: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(network, weights, (x,)).square().mean()

    loss(dict(network.named_parameters())).backward()
    found = torch.func.grad(loss)(weights)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(found[name], parameter.grad, atol=1e-5), name
    script = torch.jit.trace(network.eval(), x)
    larger = torch.randn(1, 3, 24, 32).contiguous(memory_format=LAST)
    assert torch.allclose(script(larger), network(larger), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (2, 3, 4, 4), (4, 4)])
def test_what_torch_refuses_is_refused_in_its_words(shape: tuple[int, ...]) -> None:
    def said(norm: nn.Module) -> str:
        with pytest.raises((ValueError, RuntimeError)) as caught:
            norm(torch.zeros(shape))
        return str(caught.value)

    assert said(quicken(nn.InstanceNorm2d(4, affine=True))) == said(nn.InstanceNorm2d(4, affine=True))


def test_a_picture_without_a_batch_is_normalised() -> None:
    written, quick = both(nn.InstanceNorm2d(4))
    x = torch.randn(4, 5, 6)
    assert torch.allclose(written(x), quick(x), atol=1e-6)


def test_bf16_under_autocast_computes_in_the_same_types() -> None:
    written, quick = both(stage(dtype=torch.float32))
    x = torch.randn(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        one, other = written(x), quick(x)
    assert one.dtype == other.dtype == torch.bfloat16
    assert torch.allclose(one.float(), other.float(), atol=0.1)
    other.float().sum().backward()
    assert quick.get_parameter("0.bias").grad.dtype == torch.float32  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
def test_half_precision_computes_as_torch_does(dtype: torch.dtype, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 33, 31).to(dtype)
    torch_own, ours = both(nn.InstanceNorm2d(4))
    assert torch.equal(ours(x.contiguous(memory_format=layout)), torch_own(x))


@pytest.mark.soak
def test_compiled_it_is_the_same() -> None:
    """pytest -m soak tests/test_quick_norms.py"""
    written, quick = both(stage())
    torch.compiler.reset()
    compiled = torch.compile(quick, backend="aot_eager")
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    for one, other in zip(gradients(written, x), gradients(compiled, x), strict=True):  # type: ignore[arg-type]
        assert torch.allclose(one, other, atol=1e-9)


# -- trainings --------------------------------------------------------------------------------------------------------

QUICK = ("quick-norms", "channels-last")


@pytest.mark.parametrize("name", ["cyclegan/cyclegan", "pix2pix/pix2pix", "recipes/anime_cartoongan.toml"])
def test_trainings_are_equal_to_those_as_written(name: str) -> None:
    recipe = plain(name, steps=2)
    assert_equal(trained(with_speed(recipe, "safe")), trained(with_speed(recipe, QUICK)), 1e-10)


@pytest.mark.soak
def test_two_processes_train_like_one() -> None:
    """pytest -m soak tests/test_quick_norms.py"""
    """Every parameter has a gradient, the dead biases too: without, the first step would be refused."""
    recipe = with_speed(plain("cyclegan/cyclegan", steps=2), QUICK)
    (one,) = together(1, lambda rank: trained(recipe))
    for other in together(2, lambda rank: trained(recipe)):
        assert_equal(one, other)
