"""`blur`: a Gaussian that keeps pictures' range and mean, equals OpenCV's, passes gradients and refuses bad sigmas."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge.errors import ShapeError
from toonforge.ops import Blur
from toonforge.ops.blur import kernel_size, mirrored

blur = Blur().build()
sizes = st.integers(1, 40)
sigmas = st.floats(0.05, 12)


def pictures(count: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 100 + width)
    return torch.rand(count, channels, height, width, generator=generator) * 2 - 1


@settings(max_examples=80)
@given(height=sizes, width=sizes, sigma=sigmas)
def test_it_is_opencvs_gaussian_at_any_size(height: int, width: int, sigma: float) -> None:
    x = pictures(2, height, width)
    expected = [
        cv2.GaussianBlur(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()), (0, 0), sigma) for picture in x
    ]
    found = blur(x, sigma).permute(0, 2, 3, 1).numpy()
    assert np.abs(found - np.stack(expected).reshape(found.shape)).max() < 1e-4


@settings(max_examples=60)
@given(height=sizes, width=sizes, sigma=sigmas)
def test_shape_and_range_stay(height: int, width: int, sigma: float) -> None:
    x = pictures(1, height, width)
    y = blur(x, sigma)
    assert y.shape == x.shape and tuple(y.shape[1:]) == Blur().shape((3, height, width), sigma)
    assert y.min() >= x.min() - 1e-5 and y.max() <= x.max() + 1e-5


@given(value=st.floats(-1, 1, width=32), sigma=sigmas)
def test_a_flat_picture_stays_flat(value: float, sigma: float) -> None:
    x = torch.full((1, 3, 9, 6), value)
    assert torch.allclose(blur(x, sigma), x, atol=1e-6)


@given(size=st.integers(1, 30), radius=st.integers(0, 100))
def test_the_border_is_a_mirror(size: int, radius: int) -> None:
    expected = np.pad(np.arange(size), radius, mode="reflect") if size > 1 else np.zeros(size + 2 * radius)
    assert mirrored(size, radius, torch.device("cpu")).tolist() == expected.tolist()


def test_channels_and_pictures_do_not_mix() -> None:
    x = pictures(3, 12, 10)
    y = blur(x, 1.3)
    for i in range(3):
        for c in range(3):
            assert torch.allclose(blur(x[i : i + 1, c : c + 1], 1.3), y[i : i + 1, c : c + 1], atol=1e-6)


def test_twice_is_a_wider_once() -> None:
    x = pictures(1, 64, 64)
    inside = (..., slice(24, 40), slice(24, 40))
    assert torch.allclose(blur(blur(x, 1.5), 2.0)[inside], blur(x, 2.5)[inside], atol=1e-3)


def test_the_gradient_is_that_of_a_linear_map() -> None:
    x = pictures(1, 7, 5, channels=1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: blur(t, 0.9), (x,))
    assert torch.autograd.gradcheck(lambda t: blur(t, 4.0), (x,))  # a kernel far wider than the picture


def test_under_bfloat16_it_computes_in_float32() -> None:
    x = pictures(2, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(blur(x, 0.8), blur(x, 0.8).float())
        inside = blur(x, 0.8)
    assert torch.equal(inside, blur(x, 0.8))
    half = blur(x.bfloat16(), 0.8)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, blur(x.bfloat16().float(), 0.8).bfloat16())


@pytest.mark.parametrize(("sigma", "size"), [(0.05, 1), (0.5, 5), (0.8, 7), (1.0, 9), (3.0, 25)])
def test_the_kernel_grows_with_sigma(sigma: float, size: int) -> None:
    assert kernel_size(sigma) == size
    assert kernel_size(sigma) % 2 == 1


def test_it_acts_outside_training_too() -> None:
    assert Blur.evaluation == "same"
    assert not Blur.detaches


@pytest.mark.parametrize("sigma", [0.0, -1.0, 100.5, math.inf, math.nan])
def test_sigmas_that_are_none_are_refused(sigma: float) -> None:
    with pytest.raises(ShapeError, match="greater than 0 and at most 100"):
        Blur().shape((3, 8, 8), sigma)


@pytest.mark.parametrize("inputs", [((3, 8, 8), (3, 8, 8)), (1.0, 1.0), ((8,), 1.0)])
def test_other_arguments_are_refused(inputs: tuple[object, ...]) -> None:
    with pytest.raises(ShapeError, match="of blur must be"):
        Blur().shape(*inputs)  # type: ignore[arg-type]
