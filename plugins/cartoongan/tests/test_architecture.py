"""The networks layer by layer: against hand-written tables, parameter counts, and plain re-implementations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_cartoongan import PatchGAN, Resnet
from torch import nn

from toonforge.errors import FieldError, ShapeError

# A row: "conv"/"up", inputs, outputs, kernel, stride, padding with its kind; norms and activations by name.


def table(network: nn.Module) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.bias is not None
            assert module.kernel_size[0] == module.kernel_size[1]
            up = isinstance(module, nn.ConvTranspose2d)
            assert not up or module.output_padding == (1, 1)
            rows.append(
                (
                    "up" if up else "conv", module.in_channels, module.out_channels, module.kernel_size[0],
                    module.stride[0], module.padding[0], module.padding_mode,
                )
            )  # fmt: skip
        elif isinstance(module, nn.InstanceNorm2d):
            assert module.affine
            assert not module.track_running_stats
            rows.append(("instance", module.num_features))
        elif isinstance(module, nn.ReLU):
            rows.append(("relu",))
        elif isinstance(module, nn.LeakyReLU):
            rows.append(("lrelu", module.negative_slope))
    return rows


def test_the_generator_is_the_papers() -> None:
    block = [
        ("conv", 256, 256, 3, 1, 1, "reflect"), ("instance", 256), ("relu",),
        ("conv", 256, 256, 3, 1, 1, "reflect"), ("instance", 256),
    ]  # fmt: skip
    expected = [
        ("conv", 3, 64, 7, 1, 3, "reflect"), ("instance", 64), ("relu",),
        ("conv", 64, 128, 3, 2, 1, "zeros"), ("conv", 128, 128, 3, 1, 1, "zeros"), ("instance", 128), ("relu",),
        ("conv", 128, 256, 3, 2, 1, "zeros"), ("conv", 256, 256, 3, 1, 1, "zeros"), ("instance", 256), ("relu",),
        *(8 * block),
        ("up", 256, 128, 3, 2, 1, "zeros"), ("conv", 128, 128, 3, 1, 1, "zeros"), ("instance", 128), ("relu",),
        ("up", 128, 64, 3, 2, 1, "zeros"), ("conv", 64, 64, 3, 1, 1, "zeros"), ("instance", 64), ("relu",),
        ("conv", 64, 3, 7, 1, 3, "reflect"),
    ]  # fmt: skip
    assert table(Resnet().build()) == expected


def test_the_discriminator_is_the_papers() -> None:
    expected = [
        ("conv", 3, 32, 3, 1, 1, "zeros"), ("lrelu", 0.2),
        ("conv", 32, 64, 3, 2, 1, "zeros"), ("lrelu", 0.2),
        ("conv", 64, 128, 3, 1, 1, "zeros"), ("instance", 128), ("lrelu", 0.2),
        ("conv", 128, 128, 3, 2, 1, "zeros"), ("lrelu", 0.2),
        ("conv", 128, 256, 3, 1, 1, "zeros"), ("instance", 256), ("lrelu", 0.2),
        ("conv", 256, 256, 3, 1, 1, "zeros"), ("instance", 256), ("lrelu", 0.2),
        ("conv", 256, 1, 3, 1, 1, "zeros"),
    ]  # fmt: skip
    assert table(PatchGAN().build()) == expected


@pytest.mark.parametrize(("config", "parameters"), [(Resnet(), 11_129_667), (PatchGAN(), 1_129_665)])
def test_parameter_counts_are_the_authors(config: Resnet | PatchGAN, parameters: int) -> None:
    assert sum(p.numel() for p in config.build().parameters()) == parameters


def test_a_logit_sees_37_pixels_and_there_is_one_every_four() -> None:
    network = PatchGAN(width=2, norm="none").build()
    x = torch.rand(1, 3, 96, 96, requires_grad=True)
    y = network(x)
    assert y.shape == (1, 1, 24, 24)
    y[0, 0, 12, 12].backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == 37


class Shortcut(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3), nn.Conv2d(width, width, 3)
        self.norms = nn.ModuleList([nn.InstanceNorm2d(width, affine=True) for _ in range(2)])
        self.pad = nn.ReflectionPad2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norms[0](self.first(self.pad(x))))
        return x + self.norms[1](self.second(self.pad(y)))


def plain_generator(w: int, blocks: int) -> nn.Sequential:
    def norm(width: int) -> list[nn.Module]:
        return [nn.InstanceNorm2d(width, affine=True), nn.ReLU()]

    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), *norm(w),
        nn.Conv2d(w, 2 * w, 3, 2, 1), nn.Conv2d(2 * w, 2 * w, 3, 1, 1), *norm(2 * w),
        nn.Conv2d(2 * w, 4 * w, 3, 2, 1), nn.Conv2d(4 * w, 4 * w, 3, 1, 1), *norm(4 * w),
        *(Shortcut(4 * w) for _ in range(blocks)),
        nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1), nn.Conv2d(2 * w, 2 * w, 3, 1, 1), *norm(2 * w),
        nn.ConvTranspose2d(2 * w, w, 3, 2, 1, 1), nn.Conv2d(w, w, 3, 1, 1), *norm(w),
        nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh(),
    )  # fmt: skip


def plain_discriminator(w: int) -> nn.Sequential:
    def normed(inputs: int, outputs: int) -> list[nn.Module]:
        norm = nn.InstanceNorm2d(outputs, affine=True)
        return [nn.Conv2d(inputs, outputs, 3, 1, 1), norm, nn.LeakyReLU(0.2)]

    return nn.Sequential(
        nn.Conv2d(3, w, 3, 1, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(w, 2 * w, 3, 2, 1), nn.LeakyReLU(0.2), *normed(2 * w, 4 * w),
        nn.Conv2d(4 * w, 4 * w, 3, 2, 1), nn.LeakyReLU(0.2), *normed(4 * w, 8 * w),
        *normed(8 * w, 8 * w), nn.Conv2d(8 * w, 1, 3, 1, 1),
    )  # fmt: skip


def with_weights_of(ours: nn.Module, plain: nn.Module) -> nn.Module:
    """The plain network with our weights, convolutions and norms each in their order, all made random first."""
    for kind in ((nn.Conv2d, nn.ConvTranspose2d), (nn.InstanceNorm2d,)):
        pairs = [[m for m in network.modules() if isinstance(m, kind)] for network in (ours, plain)]
        for source, target in zip(*pairs, strict=True):
            for parameter, other in zip(source.parameters(), target.parameters(), strict=True):
                with torch.no_grad():
                    parameter.copy_(torch.randn_like(parameter) * 0.2)
                    other.copy_(parameter)
    return plain


def test_the_generator_equals_a_plain_one_bit_for_bit() -> None:
    torch.manual_seed(0)
    ours = Resnet(width=6, blocks=3).build()
    plain = with_weights_of(ours, plain_generator(6, 3))
    x = torch.rand(2, 3, 32, 40) * 2 - 1
    assert torch.equal(ours(x), plain(x))


def test_the_discriminator_equals_a_plain_one_bit_for_bit() -> None:
    torch.manual_seed(0)
    ours = PatchGAN(width=6).build()
    plain = with_weights_of(ours, plain_discriminator(6))
    x = torch.rand(2, 3, 33, 40) * 2 - 1
    assert torch.equal(ours(x), plain(x))


def test_initial_weights_are_the_authors_but_for_the_norms() -> None:
    """Convolutions as theirs. Norm weights are theirs in no network here: N(1, 0.02), where theirs are in [0, 1)."""
    torch.manual_seed(0)
    for config in (Resnet(blocks=2), PatchGAN()):
        for module in config.build().modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
                assert not module.bias.any()
            elif isinstance(module, nn.InstanceNorm2d):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.5)
                assert not module.bias.any()


NORMS = ("instance", "instance-affine", "batch", "group", "layer", "none")


@settings(max_examples=60)
@given(
    config=st.builds(
        Resnet, width=st.just(2), blocks=st.integers(0, 2), norm=st.sampled_from(NORMS),
        upsample=st.sampled_from(("transposed", "resize", "pixel-shuffle")),
        padding=st.sampled_from(("reflect", "replicate", "zero")),
    ),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)  # fmt: skip
def test_the_generator_takes_any_size_in_training(config: Resnet, height: int, width: int) -> None:
    y = config.build()(torch.rand(1, 3, height, width) * 2 - 1)
    assert tuple(y.shape[1:]) == config.shape((3, height, width)) == (3, height, width)
    assert y.isfinite().all() and y.abs().max() <= 1


@settings(max_examples=40)
@given(
    config=st.builds(PatchGAN, width=st.just(2), norm=st.sampled_from(NORMS), spectral_norm=st.booleans()),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_the_discriminator_yields_the_promised_patches_or_refuses(config: PatchGAN, height: int, width: int) -> None:
    if min(height, width) < 5:
        with pytest.raises(ShapeError, match="at least 5x5"):
            config.shape((3, height, width))
        return
    assert tuple(config.build()(torch.rand(1, 3, height, width)).shape[1:]) == config.shape((3, height, width))


def test_a_residual_generator_starts_as_the_identity_and_learns() -> None:
    torch.manual_seed(0)
    network = Resnet(width=4, blocks=1, residual=True).build()
    x = torch.rand(2, 3, 19, 23) * 2 - 1
    assert torch.equal(network(x), x)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (network(x) - 0.1).square().mean().backward()
        optimizer.step()
    assert not torch.equal(network(x), x)
    with pytest.raises(FieldError, match="out_channels"):
        Resnet(residual=True, out_channels=1)


def test_channels_are_inferred_and_then_held_to() -> None:
    for config in (Resnet().tiny(), PatchGAN().tiny()):
        fitted = config.fit((4, 32, 32))
        assert fitted.in_channels == 4
        assert tuple(fitted.build()(torch.rand(1, 4, 32, 32)).shape[1:]) == fitted.shape((4, 32, 32))
        with pytest.raises(ShapeError, match="4 channels"):
            fitted.shape((3, 32, 32))


@pytest.mark.parametrize("values", [{"width": 0}, {"blocks": -1}])
def test_values_out_of_range_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(FieldError):
        Resnet(**values)


def test_every_norm_takes_the_epsilon() -> None:
    norms = [m for m in Resnet(epsilon=1e-9).tiny().build().modules() if isinstance(m, nn.InstanceNorm2d)]
    assert len(norms) == 7 and {m.eps for m in norms} == {1e-9}
