"""Scaling and cutting: the aspect stays, the crop lies within, and the generator alone decides."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import fill, gradient
from toonforge.data import Geometry, PairedFolders, UnpairedFolders, normalised, scale_short_side, to_tensor
from toonforge.data.transforms import default_load_size, scale, scale_fast, scaled_size
from toonforge.errors import FieldError

sides = st.integers(1, 5000)


def test_load_size_is_286_for_256() -> None:
    assert [default_load_size(size) for size in (256, 128, 512)] == [286, 143, 572]


@given(sides, sides, st.integers(1, 600))
def test_the_short_side_is_exact_and_the_aspect_stays(height: int, width: int, short: int) -> None:
    new_height, new_width = scaled_size(height, width, short)
    assert min(new_height, new_width) == short
    assert abs(new_height * width - new_width * height) <= max(height, width) / 2 + max(height, width)


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


def test_tensors_that_torch_would_not_share_are_copied() -> None:
    picture = gradient(6, 6)
    picture.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(to_tensor(picture), torch.from_numpy(picture.copy()).permute(2, 0, 1))


def test_normalised_pictures_lie_as_networks_have_them() -> None:
    pictures = torch.stack([to_tensor(gradient(6, 7))], out=torch.empty(0, dtype=torch.uint8))
    together = pictures.contiguous(memory_format=torch.channels_last)
    assert normalised(together).is_contiguous()
    assert torch.equal(normalised(together), normalised(pictures))


@given(st.integers(8, 90), st.integers(8, 90), st.integers(4, 90), st.integers(4, 90), st.integers(0, 2**32))
def test_scaling_by_torch_is_that_of_pillow_to_a_level_or_two(
    height: int, width: int, new_height: int, new_width: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    apart = np.abs(scale_fast(picture, new_height, new_width).astype(int) - scale(picture, new_height, new_width))
    assert apart.max() <= 2
    assert np.count_nonzero(apart) <= max(3, 0.03 * apart.size)


def test_a_cut_is_scaled_as_if_it_were_a_picture() -> None:
    picture = gradient(60, 80)
    cut = picture[5:45, 7:57]
    np.testing.assert_array_equal(scale_fast(cut, 30, 31), scale_fast(cut.copy(), 30, 31))


jitters = st.tuples(st.floats(0.9, 1.5), st.floats(0.9, 1.5)).map(lambda pair: (min(pair), max(pair)))


@given(jitters, st.integers(20, 60), st.integers(20, 60), st.booleans(), st.integers(0, 2**32))
def test_jitter_cuts_larger_squares_and_scales_them_down(
    jitter: tuple[float, float], height: int, width: int, flip: bool, seed: int
) -> None:
    geometry = Geometry(image_size=16, load_size=18, flip=flip, jitter=jitter)
    picture = geometry.scaled(gradient(height, width))
    assert min(picture.shape[:2]) == geometry.short == max(16, round(18 * jitter[1]))
    crop = geometry.crop(picture, np.random.default_rng(seed))
    assert 16 <= crop.size <= geometry.short
    assert crop.top + crop.size <= picture.shape[0] and crop.left + crop.size <= picture.shape[1]
    cut = crop(picture)
    assert cut.shape == (16, 16, 3)
    whole = picture[crop.top : crop.top + crop.size, crop.left : crop.left + crop.size]
    expected = scale_fast(whole, 16, 16)
    np.testing.assert_array_equal(cut, expected[:, ::-1] if crop.flip else expected)
    assert geometry.crop(picture, np.random.default_rng(seed)) == crop


def test_jitter_draws_the_whole_range_evenly() -> None:
    geometry, picture = Geometry(image_size=100, load_size=110, flip=True, jitter=(1.0, 2.0)), gradient(220, 220)
    rng = np.random.default_rng(0)
    factors = [200 / geometry.crop(picture, rng).size for _ in range(2000)]
    assert min(factors) >= 1 and max(factors) <= 2
    counts = np.histogram(factors, bins=4, range=(1, 2))[0]
    assert counts.min() > 400


def test_without_jitter_nothing_is_drawn_for_it() -> None:
    plain, still = (Geometry(image_size=8, load_size=10, flip=True, **how) for how in ({}, {"jitter": (1, 1)}))
    for seed in range(20):
        crops = [geometry.crop(gradient(10, 12), np.random.default_rng(seed)) for geometry in (plain, still)]
        rng = np.random.default_rng(seed)
        assert crops[0] == crops[1]
        assert (crops[0].top, crops[0].left, crops[0].flip) == (rng.integers(3), rng.integers(5), rng.integers(2) == 1)


def test_the_sides_of_a_pair_are_jittered_alike(tmp_path: Path) -> None:
    for field in ("photo", "cartoon"):
        fill(tmp_path / field, 6, size=40)
    fields = {field: str(tmp_path / field) for field in ("photo", "cartoon")}
    source = PairedFolders(fields=fields, image_size=16, jitter=(0.9, 1.6)).build("train")
    items = [source.item("pair", 0, np.random.default_rng(seed)) for seed in range(8)]
    assert all(torch.equal(item["photo"], item["cartoon"]) and item["photo"].shape == (3, 16, 16) for item in items)
    assert not torch.equal(items[0]["photo"], items[1]["photo"])


def test_jitter_that_leaves_too_little_is_refused_and_tiny_sets_do_without() -> None:
    with pytest.raises(FieldError, match=r"0\.896 or more"):
        UnpairedFolders(fields={"photo": "x"}, jitter=(0.8, 1.0))
    with pytest.raises(FieldError, match="least factor first"):
        UnpairedFolders(fields={"photo": "x"}, jitter=(1.2, 1.0))
    data = UnpairedFolders(fields={"photo": "x"}, load_size=400, jitter=(0.7, 1.0))
    assert data.geometry("train").jitter == (0.7, 1.0)
    assert data.geometry("validation").jitter == (1, 1)
    assert data.tiny().jitter is None


def test_scaling_keeps_a_picture_of_the_right_size() -> None:
    picture = gradient(20, 30)
    np.testing.assert_array_equal(scale_short_side(picture, 20), picture)
    assert scale_short_side(picture, 10).shape == (10, 15, 3)
