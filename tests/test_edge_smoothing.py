"""Edge smoothing: equal to the loop over pixels that it stands for, and nothing changes away from edges."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import gradient
from toonforge.data import smooth_edges
from toonforge.errors import ToonforgeError

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])  # over 256: what a Gaussian of 5 without a sigma is


def cartoon(height: int, width: int, seed: int) -> np.ndarray:
    """Flat shapes on a slope, and a little noise in one corner."""
    rng = np.random.default_rng(seed)
    picture = gradient(height, width, seed)
    for _ in range(5):
        top, left = rng.integers(0, height), rng.integers(0, width)
        picture[top : top + rng.integers(1, 20), left : left + rng.integers(1, 20)] = rng.integers(0, 256, 3)
    picture[: height // 4, : width // 4] = rng.integers(0, 256, (height // 4, width // 4, 3))
    return picture


def mask(picture: np.ndarray) -> np.ndarray:
    """Where there are edges, widened by two pixels to each side."""
    edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 100, 200)
    return cv2.dilate(edges, np.ones((5, 5), np.uint8)) != 0


def looped(picture: np.ndarray) -> np.ndarray:
    """The reference: every pixel of the mask becomes the Gaussian-weighted sum of the patch around it, as a float."""
    padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="reflect").astype(int).tolist()
    around, weights = mask(picture).tolist(), KERNEL.tolist()
    result = picture.astype(float)
    for y, row in enumerate(around):
        for x, inside in enumerate(row):
            for channel in range(3) if inside else ():
                total = sum(weights[i][j] * padded[y + i][x + j][channel] for i in range(5) for j in range(5))
                result[y, x, channel] = total / 256
    return result


sizes = st.integers(3, 40)


@settings(max_examples=15)
@given(sizes, sizes, st.integers(0, 999))
def test_equals_the_loop_over_pixels_rounded_to_the_nearest_level(height: int, width: int, seed: int) -> None:
    """Exactly, border included: both mirror the picture around its outermost pixels.

    The public loop stores its sums as bytes, which cuts them off: that is never above, and at most one level below.
    """
    picture = cartoon(height, width, seed)
    smooth, reference = smooth_edges(picture), looped(picture)
    assert np.array_equal(smooth, np.floor(reference + 0.5))
    below = smooth.astype(int) - reference.astype(np.uint8)
    assert below.min() >= 0 and below.max() <= 1


def test_the_test_above_sees_edges() -> None:
    picture = cartoon(40, 40, 0)
    assert 0.1 < mask(picture).mean() < 0.9
    assert (smooth_edges(picture) != picture).any()


def test_the_gaussian_is_the_one_that_opencv_takes_without_a_sigma() -> None:
    kernel = cv2.getGaussianKernel(5, 0)
    assert np.array_equal(kernel @ kernel.T * 256, KERNEL)


@settings(max_examples=30)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_size_type_and_all_that_is_away_from_edges_stay(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture[:, width // 2 :] = picture[0, 0]
    before = picture.copy()
    smooth = smooth_edges(picture)
    assert smooth.shape == picture.shape and smooth.dtype == np.uint8
    assert np.array_equal(picture, before), "the picture that was given stays as it was"
    assert np.array_equal(smooth[~mask(picture)], picture[~mask(picture)])


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_flat_pictures_stay(colour: tuple[int, int, int]) -> None:
    picture = np.full((9, 12, 3), colour, np.uint8)
    assert np.array_equal(smooth_edges(picture), picture)


def test_a_slope_without_edges_stays() -> None:
    slope = np.arange(0, 240, 4, dtype=np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2)
    assert np.array_equal(smooth_edges(slope), slope)


def test_an_edge_gets_softer_within_its_reach_only() -> None:
    picture = np.full((30, 30, 3), 20, np.uint8)
    picture[:, 15:] = 230
    smooth = smooth_edges(picture)
    steps = [np.abs(np.diff(p[15, :, 0].astype(int))).max() for p in (picture, smooth)]
    assert steps[1] < 0.5 * steps[0]
    assert np.array_equal(smooth[:, :11], picture[:, :11]) and np.array_equal(smooth[:, 19:], picture[:, 19:])


def test_thresholds_decide_what_an_edge_is() -> None:
    picture = np.full((30, 30, 3), 100, np.uint8)
    picture[:, 15:] = 130
    assert np.array_equal(smooth_edges(picture), picture)
    assert not np.array_equal(smooth_edges(picture, low=20, high=40), picture)


def test_without_opencv_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ToonforgeError, match=r"toonforge\[filters\]"):
        smooth_edges(gradient())
