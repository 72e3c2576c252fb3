"""What the tables to the letter do to the range of pictures, and which options and sizes the networks take."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_toon2real import PatchGAN, Resnet

from toonforge.errors import FieldError, ShapeError

NORMS = ("instance", "instance-affine", "batch", "group", "layer", "none")


@settings(max_examples=60)
@given(
    config=st.builds(
        Resnet, width=st.just(2), blocks=st.integers(0, 2), as_printed=st.booleans(), norm=st.sampled_from(NORMS),
        upsample=st.sampled_from(("transposed", "resize", "pixel-shuffle")),
        padding=st.sampled_from(("reflect", "replicate", "zero")),
    ),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)  # fmt: skip
def test_the_generator_takes_any_size(config: Resnet, height: int, width: int) -> None:
    shape = (3, height, width)
    network = config.fit(shape).build()
    x = torch.rand(2, *shape) * 2 - 1
    for training in (True, False):
        y = network.train(training)(x)
        assert tuple(y.shape[1:]) == config.fit(shape).shape(shape) == shape
        assert y.isfinite().all() and y.min() >= -1
        assert y.max() <= 1 or (training and config.as_printed)


@settings(max_examples=60)
@given(
    config=st.builds(
        PatchGAN, width=st.just(2), layers=st.integers(1, 4), norm=st.sampled_from(NORMS), as_printed=st.booleans(),
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
    assert tuple(config.build()(torch.rand(1, 3, height, width)).shape[1:]) == promised


def test_as_printed_pixels_above_white_keep_their_gradient_in_training_and_are_cut_off_in_use() -> None:
    torch.manual_seed(0)
    network = Resnet(width=4, blocks=1, as_printed=True).build()
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    trained = network.train()(x)
    trained.retain_grad()
    above = trained > 1
    assert above.any()
    trained[above].sum().backward()
    assert network.head.weight.grad.abs().sum() > 0
    used = network.eval()(x)
    assert torch.equal(used, trained.clamp(max=1))
    assert used.max() == 1


def test_as_printed_about_half_of_every_picture_is_black() -> None:
    """What instance norm and ReLU at the end mean, and why tanh is the default."""
    torch.manual_seed(0)
    network = Resnet(width=8, blocks=2, as_printed=True).build().eval()
    x = torch.rand(4, 3, 64, 64) * 0.2 + 0.8  # bright pictures
    black = (network(x) == -1).float().mean((2, 3))
    assert ((black > 0.3) & (black < 0.7)).all()


@pytest.mark.parametrize("config", [Resnet(), Resnet(as_printed=True), PatchGAN(), PatchGAN(as_printed=True)])
def test_channels_are_inferred_from_what_the_network_is_called_with(config: Resnet | PatchGAN) -> None:
    small = config.tiny().fit((6, 32, 32))
    assert small.in_channels == 6
    assert tuple(small.build()(torch.rand(1, 6, 32, 32)).shape[1:]) == small.shape((6, 32, 32))
    with pytest.raises(ShapeError, match="6 channels"):
        small.shape((3, 32, 32))
    with pytest.raises(ShapeError, match="one picture"):
        small.shape((6, 32, 32), (6, 32, 32))


def test_a_picture_without_one_patch_is_refused_with_the_least_size() -> None:
    with pytest.raises(ShapeError, match="at least 24x24, found 16x64"):
        PatchGAN().shape((3, 16, 64))
    with pytest.raises(ShapeError, match="needs pictures of at least 32x32, found 31x64"):
        PatchGAN(as_printed=True).shape((3, 31, 64))
    assert PatchGAN().shape((3, 256, 256)) == (1, 30, 30)
    assert PatchGAN(as_printed=True).shape((3, 256, 256)) == (1, 16, 16)


@pytest.mark.parametrize("values", [{"width": 0}, {"blocks": -1}, {"out_channels": 0}])
def test_values_out_of_range_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(FieldError):
        Resnet(**values)


def test_a_residual_generator_starts_as_the_identity_and_needs_equal_channels() -> None:
    x = torch.rand(2, 3, 19, 23) * 2 - 1
    assert torch.equal(Resnet(width=4, blocks=1, residual=True).build()(x), x)
    with pytest.raises(FieldError, match="out_channels"):
        Resnet(residual=True).fit((4, 32, 32))
    with pytest.raises(FieldError, match="as_printed"):
        Resnet(residual=True, as_printed=True)


def test_importing_the_plugin_and_asking_for_shapes_loads_no_torch() -> None:
    code = (
        "import sys; from toonforge_toon2real import plugin, Resnet, PatchGAN; "
        "plugin.toonforge_generators(), plugin.toonforge_discriminators(), plugin.toonforge_recipes(); "
        "Resnet().fit((3, 9, 9)).shape((3, 9, 9)); PatchGAN().shape((3, 64, 64)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
