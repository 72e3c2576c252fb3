"""What is done after the networks: strength, colour and smoothing are what their formulas say, for any size."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toonforge.errors import RunError
from toonforge.use import smoothing
from toonforge.use.look import LUMA, Look, coloured, luma
from toonforge.use.smoothing import radius_of, smoothed

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
SHARES = st.floats(0, 1)


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@given(SIZES, SHARES, st.booleans(), SHARES)
def test_no_look_leaves_the_range_or_the_size(
    size: tuple[int, int], strength: float, color: bool, smooth: float
) -> None:
    x, y = noise(2, 3, *size), noise(2, 3, *size, seed=1)
    made = Look(strength=strength, keep_color=color, smooth=smooth).apply(x, y)
    assert made.shape == x.shape and made.abs().max() <= 1 and not made.isnan().any()


@given(SIZES, st.booleans(), SHARES)
def test_strength_0_is_the_input_to_the_last_bit(size: tuple[int, int], color: bool, smooth: float) -> None:
    x, y = noise(1, 3, *size), noise(1, 3, *size, seed=1)
    assert torch.equal(Look(strength=0, keep_color=color, smooth=smooth).apply(x, y), x)


@given(SHARES)
def test_strength_blends_in_a_straight_line_from_the_input_to_the_output(strength: float) -> None:
    x, y = noise(1, 3, 8, 8), noise(1, 3, 8, 8, seed=1)
    assert torch.equal(Look().apply(x, y), y)
    made = Look(strength=strength).apply(x, y)
    assert torch.allclose(made, (1 - strength) * x + strength * y, atol=1e-6)


@given(SIZES)
def test_kept_colour_has_the_outputs_luma_and_the_inputs_hue(size: tuple[int, int]) -> None:
    x, y = noise(1, 3, *size), noise(1, 3, *size, seed=1)
    made = Look(keep_color=True).apply(x, y)
    assert torch.allclose(luma(made), luma(y), atol=2e-6)
    # The same direction from grey, no further from it.
    before, after = x - luma(x), made - luma(made)
    share = (after * before).sum(1) / (before * before).sum(1).clamp(min=1e-12)
    assert torch.allclose(after, before * share[:, None], atol=1e-5)
    assert share.min() > -1e-4 and share.max() < 1 + 1e-4


def test_kept_colour_is_the_whole_colour_where_it_fits() -> None:
    x = torch.tensor([0.2, -0.1, 0.0]).view(1, 3, 1, 1)
    y = torch.full((1, 3, 1, 1), 0.3)
    assert torch.allclose(coloured(y, x), x - luma(x) + 0.3, atol=1e-6)
    assert sum(LUMA) == pytest.approx(1)
    assert torch.allclose(coloured(x, x), x, atol=1e-6)  # its own colour changes nothing


@given(SIZES, st.floats(-1, 1))
def test_smoothing_leaves_a_flat_picture_as_it_is(size: tuple[int, int], value: float) -> None:
    flat = torch.full((1, 3, *size), value)
    assert torch.allclose(smoothed(flat, 1), flat, atol=1e-5)


def test_smoothing_of_0_changes_nothing_and_more_of_it_leaves_less_noise() -> None:
    x = 0.1 * noise(1, 3, 64, 64)
    assert Look(smooth=0).apply(x, x) is x
    left = [float(smoothed(x, amount).std()) for amount in (0.01, 0.1, 0.3, 1)]
    assert left == sorted(left, reverse=True) and left[-1] < 0.5 * float(x.std())
    assert torch.allclose(smoothed(x, 1e-4), x, atol=1e-3)


def test_smoothing_keeps_an_edge_and_flattens_what_is_beside_it() -> None:
    step = torch.full((1, 3, 32, 64), -0.8)
    step[..., 32:] = 0.8
    x = step + 0.05 * noise(1, 3, 32, 64)
    made = smoothed(x, 0.5)
    assert (made[..., 33] - made[..., 30]).mean() > 1.4  # of 1.6
    assert made[..., 4:28].std() < 0.5 * x[..., 4:28].std()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9))
def test_smoothing_in_strips_is_smoothing_the_whole(height: int, width: int, rows: int) -> None:
    x = noise(1, 3, height, width).double()
    whole = smoothed(x, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smoothing, "ROWS", rows)
        assert torch.allclose(smoothed(x, 0.5), whole, atol=1e-12)


def test_smoothing_is_the_guided_filter_of_its_formula() -> None:
    """Written out pixel by pixel."""
    x, e = noise(1, 3, 7, 5).double(), (smoothing.CONTRAST * 0.5) ** 2
    r = radius_of(7, 5)

    def mean(values: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(values)
        for i in range(7):
            for j in range(5):
                window = values[..., max(0, i - r) : i + r + 1, max(0, j - r) : j + r + 1]
                out[..., i, j] = window.mean((-2, -1))
        return out

    v = (mean(x * x) - mean(x) ** 2).amax(1, keepdim=True)
    a = v / (v + e)
    assert torch.allclose(smoothed(x, 0.5), mean(a) * x + mean((1 - a) * mean(x)), atol=1e-10)


def test_the_window_grows_with_the_picture() -> None:
    assert [radius_of(1, 9), radius_of(256, 256), radius_of(2000, 4000)] == [1, 3, 20]


def test_luma_is_that_of_rec_709() -> None:
    colours = torch.eye(3)[:, :, None, None]  # red, green, blue
    assert torch.equal(luma(colours).flatten(), torch.tensor([0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
@pytest.mark.parametrize("field", ["strength", "smooth"])
def test_a_share_is_from_0_to_1(field: str, value: float) -> None:
    with pytest.raises(RunError, match=rf"{field}: is out of range\n  found:    {value:g}\n  expected: 0 to 1"):
        Look(**{field: value})
