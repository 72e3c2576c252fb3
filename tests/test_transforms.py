"""Scaling and cutting: the aspect stays, the crop lies within, and the generator alone decides."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import gradient
from toonforge.data import Geometry, normalised, scale_short_side, to_tensor
from toonforge.data.transforms import default_load_size, scaled_size

sides = st.integers(1, 5000)


def test_load_size_is_286_for_256() -> None:
    assert [default_load_size(size) for size in (256, 128, 512)] == [286, 143, 572]


@given(sides, sides, st.integers(1, 600))
def test_the_short_side_is_exact_and_the_aspect_stays(height: int, width: int, short: int) -> None:
    new_height, new_width = scaled_size(height, width, short)
    assert min(new_height, new_width) == short
    assert abs(new_height * width - new_width * height) <= max(height, width) / 2 + max(height, width)


@settings(deadline=None)
@given(st.integers(8, 40), st.integers(8, 40), st.integers(1, 8), st.booleans(), st.integers(0, 2**32))
def test_a_crop_is_a_square_from_the_picture(height: int, width: int, size: int, flip: bool, seed: int) -> None:
    picture = gradient(height, width)
    geometry = Geometry(image_size=size, load_size=8, flip=flip)
    crop = geometry.crop(picture, np.random.default_rng(seed))
    cut = crop(picture)
    assert cut.shape == (size, size, 3)
    assert flip or not crop.flip
    plain = picture[crop.top : crop.top + size, crop.left : crop.left + size]
    np.testing.assert_array_equal(cut[:, ::-1] if crop.flip else cut, plain)
    assert geometry.crop(picture, np.random.default_rng(seed)) == crop


def test_without_a_generator_the_middle_is_cut_unmirrored() -> None:
    crop = Geometry(image_size=10, load_size=20, flip=True).crop(gradient(20, 30), None)
    assert (crop.top, crop.left, crop.flip) == (5, 10, False)


def test_every_position_and_both_directions_come_up() -> None:
    geometry, picture = Geometry(image_size=8, load_size=10, flip=True), gradient(10, 12)
    rng = np.random.default_rng(0)
    crops = {geometry.crop(picture, rng) for _ in range(1000)}
    assert {(crop.top, crop.left) for crop in crops if crop.flip} == {(y, x) for y in range(3) for x in range(5)}
    assert len(crops) == 30


def test_tensors_span_minus_one_to_one() -> None:
    picture = np.array([[[0, 255, 51]]], np.uint8)
    assert to_tensor(picture).dtype == torch.uint8
    tensor = normalised(to_tensor(picture))
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 1, 1)
    torch.testing.assert_close(tensor.flatten(), torch.tensor([-1.0, 1.0, -0.6]))


def test_mirrored_views_become_tensors() -> None:
    picture = gradient(6, 6)
    torch.testing.assert_close(to_tensor(picture[:, ::-1]), to_tensor(picture).flip(2))


def test_scaling_keeps_a_picture_of_the_right_size() -> None:
    picture = gradient(20, 30)
    np.testing.assert_array_equal(scale_short_side(picture, 20), picture)
    assert scale_short_side(picture, 10).shape == (10, 15, 3)
