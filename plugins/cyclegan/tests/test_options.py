"""Every option on any size: shapes as promised, gradients everywhere, clear refusals."""

from __future__ import annotations

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_cyclegan import PatchGAN, PixelGAN, Resnet, Unet

from toonforge.errors import FieldError, ShapeError
from toonforge.nn import Norm

NORMS = ("instance", "instance-affine", "batch", "group", "layer", "none")
UPSAMPLES = ("transposed", "resize", "pixel-shuffle")
PADDINGS = ("reflect", "replicate", "zero")

generators = st.one_of(
    st.builds(
        Resnet, width=st.just(2), blocks=st.integers(0, 2), norm=st.sampled_from(NORMS), dropout=st.just(0.5),
        upsample=st.sampled_from(UPSAMPLES), padding=st.sampled_from(PADDINGS), residual=st.booleans(),
    ),
    st.builds(
        Unet, width=st.just(2), levels=st.integers(1, 5), norm=st.sampled_from(NORMS), dropout=st.just(0.5),
        upsample=st.sampled_from(UPSAMPLES), padding=st.sampled_from(PADDINGS), residual=st.booleans(),
        interpolation=st.sampled_from(("nearest", "bilinear")),
    ),
)  # fmt: skip


@settings(max_examples=80)
@given(config=generators, height=st.integers(1, 40), width=st.integers(1, 40))
def test_generators_take_any_size_in_training(config: Resnet | Unet, height: int, width: int) -> None:
    shape = (3, height, width)
    network = config.fit(shape).build()
    y = network(torch.rand(1, *shape) * 2 - 1)
    assert tuple(y.shape[1:]) == config.fit(shape).shape(shape) == shape
    assert y.abs().max() <= 1
    assert y.isfinite().all()


@settings(max_examples=40)
@given(
    config=st.builds(
        PatchGAN, width=st.just(2), layers=st.integers(1, 4), norm=st.sampled_from(NORMS), kernel=st.integers(3, 5),
        spectral_norm=st.booleans(),
    ),
    height=st.integers(1, 80),
    width=st.integers(1, 80),
)  # fmt: skip
def test_the_discriminator_yields_the_promised_patches_or_refuses(config: PatchGAN, height: int, width: int) -> None:
    try:
        promised = config.shape((3, height, width))
    except ShapeError:
        return
    # One sample whose norm sees one value is refused by torch: that must never be a size that was let through.
    assert tuple(config.build()(torch.rand(1, 3, height, width)).shape[1:]) == promised


@pytest.mark.parametrize("upsample", UPSAMPLES)
@pytest.mark.parametrize("norm", NORMS)
def test_gradients_reach_every_parameter(upsample: str, norm: str) -> None:
    torch.manual_seed(0)
    for config in (
        Resnet(width=4, blocks=1, norm=norm, upsample=upsample),
        Unet(width=4, levels=3, norm=norm, upsample=upsample),
        PatchGAN(width=4, layers=2, norm=norm),
    ):
        network = config.build()
        network(torch.rand(2, 3, 32, 32) * 2 - 1).square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        assert all(p.grad.any() for name, p in network.named_parameters() if name.endswith("weight"))


@pytest.mark.parametrize("upsample", UPSAMPLES)
@pytest.mark.parametrize("config", [Resnet(width=4, blocks=1, residual=True), Unet(width=4, levels=3, residual=True)])
def test_a_residual_generator_starts_as_the_identity_and_learns(config: Resnet | Unet, upsample: str) -> None:
    network = attrs.evolve(config, upsample=upsample).build()
    x = torch.rand(2, 3, 19, 23) * 2 - 1
    assert torch.equal(network(x), x)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (network(x) - 0.1).square().mean().backward()
        optimizer.step()
    assert not torch.equal(network(x), x)
    assert all(p.grad.any() for name, p in network.named_parameters() if name.endswith("weight"))


@pytest.mark.parametrize("config", [Resnet(), Unet(), PatchGAN()])
def test_channels_are_inferred_from_what_the_network_is_called_with(config: Resnet | Unet | PatchGAN) -> None:
    tiny = config.tiny().fit((6, 32, 32))
    assert tiny.in_channels == 6
    assert tuple(tiny.build()(torch.rand(1, 6, 32, 32)).shape[1:]) == tiny.shape((6, 32, 32))
    with pytest.raises(ShapeError, match="6 channels"):
        tiny.shape((3, 32, 32))
    with pytest.raises(ShapeError, match="one picture"):
        tiny.shape((6, 32, 32), (6, 32, 32))
    with pytest.raises(ShapeError, match="picture"):
        tiny.shape((6,))


def test_a_picture_without_one_patch_is_refused_with_the_least_size() -> None:
    with pytest.raises(ShapeError, match="at least 24x24, found 16x64"):
        PatchGAN().shape((3, 16, 64))
    assert PatchGAN().shape((3, 24, 24)) == (1, 1, 1)
    assert PatchGAN().shape((3, 256, 256)) == (1, 30, 30)


@pytest.mark.parametrize("values", [{"width": 0}, {"blocks": -1}, {"dropout": 1.0}, {"dropout": float("nan")}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(FieldError):
        Resnet(**values)


def test_a_residual_generator_needs_equal_channels() -> None:
    with pytest.raises(FieldError, match="out_channels"):
        Unet(residual=True, out_channels=1)
    with pytest.raises(FieldError, match="out_channels"):
        Resnet(residual=True).fit((4, 32, 32))


def test_pixel_shuffling_starts_without_a_checkerboard() -> None:
    network = Resnet(width=4, blocks=0, upsample="pixel-shuffle", norm="none").build()
    grown = network.up[0][0](torch.rand(1, 16, 6, 6))
    corners = [grown[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    assert all(torch.equal(corners[0], corner) for corner in corners)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("config", "with_one_of_its_own"),
    [
        (Resnet(width=2, blocks=1), ["head"]),
        (Unet(width=2, levels=3), ["decoder.2.1"]),
        (PatchGAN(width=2, layers=2), ["layers.0", "layers.8"]),
        (PixelGAN(width=2), ["layers.0"]),
    ],
)
@pytest.mark.parametrize("norm", NORMS)
def test_bias_is_that_of_every_convolution_before_a_norm_whatever_the_norm(
    config: Resnet | Unet | PatchGAN | PixelGAN, with_one_of_its_own: list[str], norm: Norm, bias: bool
) -> None:
    network = attrs.evolve(config, norm=norm, bias=bias).build()
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            assert (module.bias is not None) == (bias or name in with_one_of_its_own), name


def test_blocks_may_have_a_padding_of_their_own() -> None:
    network = Resnet(width=2, blocks=1, block_padding="replicate").build()
    modes = {name: m.padding_mode for name, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert modes == {
        "stem.0": "reflect", "down.0.0": "zeros", "down.1.0": "zeros",
        "blocks.0.layers.0": "replicate", "blocks.0.layers.3": "replicate", "head": "reflect",
    }  # fmt: skip


def test_a_resnet_with_batch_norm_may_take_each_pictures_own_statistics() -> None:
    torch.manual_seed(0)
    own, tracked = (Resnet(width=2, blocks=1, norm="batch", statistics=s).build() for s in ("picture", "running"))
    tracked.load_state_dict(own.state_dict())
    x = torch.rand(1, 3, 16, 16)
    expected = tracked.train()(x)  # of one picture the batch's are its own
    assert torch.allclose(own.eval()(x), expected, atol=1e-6)
    assert not torch.allclose(tracked.eval()(x), expected, atol=1e-3)


@pytest.mark.parametrize(("norm", "parameters"), [("instance", 8_705), ("batch", 8_832)])
def test_a_pixelgan_judges_each_pixel_alone(norm: Norm, parameters: int) -> None:
    network = PixelGAN(norm=norm).build()
    assert sum(p.numel() for p in network.parameters()) == parameters
    x = torch.rand(1, 3, 8, 8)
    there = torch.randperm(64)
    moved = x.flatten(2)[..., there].unflatten(2, (8, 8))  # the norm does not see where a pixel is
    assert torch.allclose(network(moved).flatten(2), network(x).flatten(2)[..., there], atol=1e-5)
