"""The cartoon style `inked`: strong edges stay and weak ones go, lines lie on edges only, and size changes nothing."""

from __future__ import annotations

import attrs
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toonforge.data.filters.flattening import flatten
from toonforge.data.filters.flow_lines import FlowLines
from toonforge.data.filters.inked import Inked, soft_steps


def step(low: float = 0.2, high: float = 0.8, side: int = 48) -> np.ndarray:
    """Dark on the left, light on the right: (side, side, 3) in [0, 1]."""
    picture = np.full((side, side, 3), low, np.float32)
    picture[:, side // 2 :] = high
    return picture


def test_flattening_takes_out_grain_and_keeps_a_strong_edge() -> None:
    grainy = step() + np.random.default_rng(0).normal(0, 0.02, (48, 48, 3)).astype(np.float32)
    flat = flatten(grainy.clip(0, 1), 0.015)
    assert flat[:, 2:20].std() < 0.2 * grainy[:, 2:20].std()
    across = flat[:, 23:25].mean((0, 2))
    assert across[1] - across[0] > 0.5


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_flattening_keeps_size_range_and_mean(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).uniform(0.3, 0.7, (height, width, 3)).astype(np.float32)
    flat = flatten(picture, 0.02)
    assert flat.shape == picture.shape and flat.dtype == np.float32
    assert flat.min() >= 0 and flat.max() <= 1
    assert np.allclose(flat.mean((0, 1)), picture.mean((0, 1)), atol=2e-3)


def test_more_flattening_leaves_fewer_edges() -> None:
    picture = np.random.default_rng(1).uniform(0.4, 0.6, (40, 40, 3)).astype(np.float32)
    left = [float(np.abs(np.diff(flatten(picture, amount), axis=1)).mean()) for amount in (0.001, 0.01, 0.02)]
    assert left[0] > 10 * left[1] > 100 * left[2]


def test_lines_lie_on_edges_only_and_nowhere_on_flat() -> None:
    lines = FlowLines()
    darkness = lines(step()[..., 0])
    assert darkness[8:-8, 19:24].max() > 0.9, "no line on the dark side of an edge"
    assert darkness[:, :12].max() == 0 == darkness[:, -12:].max()
    assert lines(np.full((30, 30), 0.5, np.float32)).max() == 0
    assert darkness.min() >= 0 and darkness.max() <= 1


def test_averaging_along_edges_drops_specks_and_keeps_strokes() -> None:
    speck, stroke = np.full((2, 48, 48), 0.6, np.float32)
    speck[23:25, 23:25] = 0.3
    stroke[:, 23:25] = 0.3
    short, long = FlowLines(along=0.5), FlowLines(along=6)
    lost = long(speck).sum() / short(speck).sum()
    kept = long(stroke)[10:-10].sum() / short(stroke)[10:-10].sum()
    assert kept > 0.9 and lost < 0.8 * kept


def test_broken_strokes_are_joined() -> None:
    dashes = np.full((60, 48), 0.6, np.float32)
    dashes[:, 23:25] = 0.3
    dashes[28:32] = 0.6
    gap = {along: FlowLines(along=along)(dashes)[28:32, 23:25].max(1).min() for along in (0.5, 6)}
    assert gap[6] > 0.6 and gap[0.5] < 0.1


def test_brightness_is_drawn_to_equal_steps_and_black_and_white_stay() -> None:
    between = np.linspace(0, 1, 201)
    stepped = soft_steps(between, 8)
    assert (np.diff(stepped) > -1e-9).all()
    assert np.allclose(stepped[[0, -1]], [0, 1])
    steps = np.round(between * 8) / 8
    assert np.abs(stepped - steps).mean() < 0.5 * np.abs(between - steps).mean()


def photo(side: int) -> np.ndarray:
    """A disc on a slope, at any size."""
    y, x = np.mgrid[:side, :side] / side
    picture = np.stack([0.3 + 0.4 * x, 0.5 + 0.2 * y, 0.6 + 0 * x], -1)
    picture[(y - 0.5) ** 2 + (x - 0.5) ** 2 < 0.08] = (0.8, 0.3, 0.2)
    return (picture * 255).astype(np.uint8)


def test_a_large_copy_is_drawn_as_the_small_one() -> None:
    inked = Inked(side=96)
    small, large = inked(photo(96)), inked(photo(192))
    reduced = np.asarray(Image.fromarray(large).resize((96, 96), Image.Resampling.BOX))
    plain = attrs.evolve(inked, side=192)(photo(192))  # with strokes for its own size: thin ones
    thin = np.asarray(Image.fromarray(plain).resize((96, 96), Image.Resampling.BOX))
    difference, other = (np.abs(small.astype(float) - each).mean() for each in (reduced, thin))
    assert difference < 0.8 * other
    assert np.array_equal(attrs.evolve(inked, side=500)(photo(96)), small), "smaller pictures get thinner strokes"


def test_pale_colours_gain_more_than_strong_ones_and_grays_nothing() -> None:
    inked = Inked(darkness=0, tone_share=0, contrast=0, lift=1)

    def gain(colour: tuple[int, int, int]) -> float:
        picture = np.full((16, 16, 3), colour, np.uint8)
        return float(np.ptp(inked(picture)[8, 8].astype(float)) / max(np.ptp(picture[8, 8].astype(float)), 1))

    assert gain((150, 120, 120)) > gain((200, 60, 60)) > 1
    assert gain((129, 128, 127)) < 1.2
