"""The shared blocks: norms by name, the three ways up, padding to multiples."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from toonforge.errors import ShapeError
from toonforge.nn.norms import bias_before, groups_of, norm_layer
from toonforge.nn.padding import PadToMultiple
from toonforge.nn.shapes import conv_size, picture_and_number, up_to_multiple
from toonforge.nn.upsampling import upsample_layer


@settings(max_examples=100)
@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 3), padding=st.integers(0, 3))
def test_conv_size_is_what_torch_yields(size: int, kernel: int, stride: int, padding: int) -> None:
    expected = conv_size(size, kernel, stride, padding)
    if size + 2 * padding >= kernel:
        found = nn.functional.conv1d(torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), None, stride, padding)
        assert found.shape[-1] == expected
    else:
        assert expected < 1


@given(size=st.integers(1, 600), multiple=st.integers(1, 300), minimum=st.integers(1, 300))
def test_up_to_multiple_is_the_least_that_fits(size: int, multiple: int, minimum: int) -> None:
    found = up_to_multiple(size, multiple, minimum)
    assert found % multiple == 0
    assert found >= size
    assert found >= minimum
    assert found - multiple < max(size, minimum)


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ((), "found nothing"),
        (((3, 8, 6),), "found a picture$"),
        (((3, 8, 6), 2), "0 to 1 with scales = 2, found a picture and 2"),
        (((3, 8, 6), -1), "found a picture and -1"),
        (((3, 8, 6), 1.0), "found a picture and 1.0"),
        ((1, (3, 8, 6)), "found 1 and a picture"),
        (((3, 8, 6), (3, 8, 6)), "found a picture and a picture"),
        (((3, 8, 6), 0, 1), "found a picture and 0 and 1"),
        (((1, 8, 6), 1), "made for 3 channels"),
        (((3, 0, 6), 1), "found 3x0x6"),
    ],
)
def test_a_picture_and_a_number_in_this_order_or_a_refusal(
    inputs: tuple[tuple[int, ...] | float, ...], found: str
) -> None:
    assert picture_and_number("it", ((3, 8, 6), 1), 3, field="scales", count=2) == (3, 8, 6, 1)
    with pytest.raises(ShapeError, match=found):
        picture_and_number("it", inputs, 3, field="scales", count=2)


class Spy(PadToMultiple):
    def body(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x
        return x


@settings(max_examples=60)
@given(height=st.integers(1, 30), width=st.integers(1, 30), multiple=st.integers(1, 16), minimum=st.integers(1, 9))
def test_padding_repeats_the_border_and_is_cropped_away(height: int, width: int, multiple: int, minimum: int) -> None:
    network = Spy(multiple, minimum)
    x = torch.rand(1, 2, height, width)
    assert torch.equal(network(x), x)
    assert all(side % multiple == 0 and side >= minimum for side in network.seen.shape[-2:])
    assert network.seen[..., 0, 0].tolist() == x[..., 0, 0].tolist()
    assert network.seen[..., -1, -1].tolist() == x[..., -1, -1].tolist()


def test_a_picture_that_fits_is_passed_on_untouched() -> None:
    network, x = Spy(4), torch.rand(1, 3, 8, 12)
    network(x)
    assert network.seen is x


@pytest.mark.parametrize("upsample", ["transposed", "resize", "pixel-shuffle"])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
@pytest.mark.parametrize("kernel", [3, 4])
@pytest.mark.parametrize("size", [1, 5])
def test_every_way_up_doubles_the_sides(upsample: str, padding: str, kernel: int, size: int) -> None:
    layer = upsample_layer(upsample, 3, 5, kernel=kernel, bias=True, padding=padding, interpolation="bilinear")
    assert layer(torch.rand(2, 3, size, size + 1)).shape == (2, 5, 2 * size, 2 * size + 2)


def test_resizing_keeps_a_flat_picture_flat() -> None:
    layer = upsample_layer("resize", 1, 1, kernel=3, bias=False, padding="reflect")
    y = layer(torch.ones(1, 1, 4, 4))
    assert torch.allclose(y, y[..., :1, :1].expand_as(y), atol=1e-6)


@pytest.mark.parametrize("norm", ["instance", "instance-affine", "batch", "group", "layer"])
def test_norms_take_mean_and_deviation_out(norm: str) -> None:
    x = torch.randn(4, 16, 8, 8) * 3 + 2
    y = norm_layer(norm, 16)(x)
    assert y.mean().item() == pytest.approx(0, abs=1e-5)
    assert y.std().item() == pytest.approx(1, abs=1e-2)


def test_no_norm_is_the_identity() -> None:
    x = torch.randn(1, 4, 2, 2)
    assert torch.equal(norm_layer("none", 4)(x), x)


@given(channels=st.integers(1, 512))
def test_groups_are_equal_and_of_two_or_more_channels(channels: int) -> None:
    groups = groups_of(channels)
    assert 1 <= groups <= 8
    assert channels % groups == 0
    assert channels // groups >= 2 or channels == 1


def test_a_bias_is_left_out_where_the_norm_has_its_own() -> None:
    assert not bias_before("instance-affine")
    assert not bias_before("batch")
    assert all(bias_before(norm) for norm in ("instance", "group", "layer", "none"))
