"""The networks layer by layer: tables written by hand, the authors' parameter counts, plain re-implementations."""

from __future__ import annotations

import pytest
import torch
from toonforge_animegan import InvertedResnet, PatchGAN
from toonforge_animegan.networks import HalvingConv2d
from torch import Tensor, nn
from torch.nn import functional

from toonforge.errors import ShapeError

Row = tuple[object, ...]


def table(network: nn.Module) -> list[Row]:
    """conv: inputs, outputs, kernel, stride, groups, whether it has a bias; norms of all channels; activations."""
    rows: list[Row] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            how = (module.kernel_size[0], module.stride[0], module.groups, module.bias is not None)
            rows.append(("conv", module.in_channels, module.out_channels, *how))
        elif isinstance(module, nn.GroupNorm):
            assert (module.num_groups, module.eps, module.affine) == (1, 1e-12, True)
            rows.append(("layer norm", module.num_channels))
        elif isinstance(module, nn.LeakyReLU):
            assert module.negative_slope == 0.2
            rows.append(("lrelu",))
        elif isinstance(module, nn.Upsample):
            rows.append(("double", module.mode))
    return rows


def stage(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, bias: bool = False
) -> list[Row]:
    return [("conv", inputs, outputs, kernel, stride, groups, bias), ("layer norm", outputs), ("lrelu",)]


def inverted(inputs: int) -> list[Row]:
    inner = 2 * inputs
    first, second = stage(inputs, inner, 1), stage(inner, inner, groups=inner, bias=True)
    return [*first, *second, *stage(inner, 256, 1)[:2]]


def test_the_generator_is_the_authors() -> None:
    expected = [
        *stage(3, 32, 7), *stage(32, 64, stride=2), *stage(64, 64),
        *stage(64, 128, stride=2), *stage(128, 128),
        *stage(128, 128), *inverted(128), *(3 * inverted(256)), *stage(256, 128),
        ("double", "bilinear"), *stage(128, 128), *stage(128, 128),
        ("double", "bilinear"), *stage(128, 64), *stage(64, 64), *stage(64, 32, 7),
        ("conv", 32, 3, 1, 1, 1, False),
    ]  # fmt: skip
    assert table(InvertedResnet().build()) == expected


def test_the_discriminator_is_the_authors() -> None:
    def bare(inputs: int, outputs: int, stride: int = 1) -> list[Row]:
        return [("conv", inputs, outputs, 3, stride, 1, False), ("lrelu",)]

    expected = [
        *bare(3, 32), *bare(32, 64, 2), *stage(64, 128), *bare(128, 128, 2), *stage(128, 256), *stage(256, 256),
        ("conv", 256, 1, 3, 1, 1, False),
    ]  # fmt: skip
    assert table(PatchGAN(spectral_norm=False).build()) == expected
    convolutions = [m for m in PatchGAN().build().modules() if isinstance(m, nn.Conv2d)]
    assert all(hasattr(module, "parametrizations") for module in convolutions)


def test_parameter_counts_are_the_authors() -> None:
    """8.17 MB of 32-bit numbers are in the authors' generator file."""
    count = sum(p.numel() for p in InvertedResnet().build().parameters())
    assert count == 2_143_552 and f"{4 * count / 2**20:.2f}" == "8.18"
    assert sum(p.numel() for p in PatchGAN(spectral_norm=False).build().parameters()) == 1_128_800


def plain_generator(state: dict[str, Tensor], x: Tensor, blocks: int) -> Tensor:
    """From the authors' description, over the weights in the order in which they are written."""
    weights = iter(state.values())

    def normed(x: Tensor, active: bool = True) -> Tensor:
        gain, shift = next(weights).view(-1, 1, 1), next(weights).view(-1, 1, 1)
        centred = x - x.mean((1, 2, 3), keepdim=True)
        x = centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1e-12).sqrt() * gain + shift
        return torch.where(x > 0, x, 0.2 * x) if active else x

    def around(x: Tensor, pad: int) -> Tensor:
        return functional.pad(x, (pad, pad, pad, pad), mode="reflect")

    def same(x: Tensor, pad: int = 1) -> Tensor:
        return normed(functional.conv2d(around(x, pad), next(weights)))

    def half(x: Tensor) -> Tensor:
        return normed(functional.conv2d(functional.pad(x, (0, 1, 0, 1), mode="reflect"), next(weights), stride=2))

    def block(x: Tensor) -> Tensor:
        y = normed(functional.conv2d(x, next(weights)))
        weight, bias = next(weights), next(weights)
        y = normed(functional.conv2d(around(y, 1), weight, bias, groups=y.shape[1]))
        y = normed(functional.conv2d(y, next(weights)), active=False)
        return x + y if x.shape == y.shape else y

    def double(x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    x = same(half(same(half(same(x, 3)))))
    x = same(x)
    for _ in range(blocks):
        x = block(x)
    x = same(x)
    x = same(same(double(x)))
    x = same(same(same(double(x))), 3)
    x = functional.conv2d(x, next(weights)).tanh()
    assert next(weights, None) is None
    return x


def test_the_generator_computes_what_a_plain_one_does() -> None:
    torch.manual_seed(0)
    network = InvertedResnet(width=4, blocks=2).build().double()
    x = torch.rand(2, 3, 24, 16, dtype=torch.float64) * 2 - 1
    assert torch.allclose(network(x), plain_generator(network.state_dict(), x, 2), atol=1e-12)


def test_a_halving_looks_to_the_right_and_below() -> None:
    layer = HalvingConv2d(1, 1, "reflect").double()
    x = torch.rand(1, 1, 6, 8, dtype=torch.float64)
    y = layer(x)
    assert y.shape == (1, 1, 3, 4)
    assert torch.allclose(y[0, 0, 0, 0], (layer.weight[0, 0] * x[0, 0, :3, :3]).sum())
    corner = torch.stack([x[0, 0, row][[6, 7, 6]] for row in (4, 5, 4)])
    assert torch.allclose(y[0, 0, 2, 3], (layer.weight[0, 0] * corner).sum())


def test_weights_begin_as_tensorflow_draws_them() -> None:
    torch.manual_seed(0)
    network = InvertedResnet().build()
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 10_000:
            inputs = module.in_channels * module.kernel_size[0] ** 2
            # Cut off at two deviations, 0.88 of the deviation is left.
            assert module.weight.std().item() == pytest.approx(0.8796 * (2.6 / inputs) ** 0.5, rel=0.05)
            assert module.weight.abs().max().item() <= 2 * (2.6 / inputs) ** 0.5
    widths = [
        m.weight.std().item() for m in PatchGAN(spectral_norm=False).build().modules() if isinstance(m, nn.Conv2d)
    ]
    assert widths == pytest.approx([0.02] * len(widths), rel=0.1)
    for config in (InvertedResnet(), PatchGAN()):
        for module in config.build().modules():
            if isinstance(module, nn.GroupNorm):
                assert (module.weight == 1).all() and not module.bias.any()


@pytest.mark.parametrize("size", [(64, 64), (30, 41), (5, 9)])
def test_a_logit_every_four_pixels(size: tuple[int, int]) -> None:
    config = PatchGAN(width=4)
    assert tuple(config.build()(torch.rand(1, 3, *size)).shape[1:]) == config.shape((3, *size))
    with pytest.raises(ShapeError, match="at least 5x5"):
        config.shape((3, 4, 64))
