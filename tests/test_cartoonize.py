"""The cartoon filter: what it does to pictures, and as a batch field of data sets."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toonforge.data import STYLES, UnpairedFolders, cartoonize
from toonforge.data.filters.classic import Classic
from toonforge.data.filters.drawn import Drawn
from toonforge.errors import ToonforgeError
from toonforge.recipe.expr import Expr


def scene(height: int = 60, width: int = 80) -> np.ndarray:
    """A noisy disc on a slope of gray."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    picture = np.stack([x * 2.0, x * 2.0, x * 1.5], -1)
    picture[(y - height // 2) ** 2 + (x - width // 2) ** 2 < 300] = (200, 90, 60)
    return (picture + rng.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


@settings(max_examples=30)
@given(st.sampled_from(list(STYLES)), st.integers(2, 70), st.integers(2, 70), st.integers(0, 2**32 - 1))
def test_size_and_type_stay_and_it_is_deterministic(style: str, height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = picture.copy()
    one, two = cartoonize(picture, style), cartoonize(picture, style)
    assert one.shape == picture.shape and one.dtype == np.uint8
    assert np.array_equal(one, two) and np.array_equal(picture, before)


@pytest.mark.parametrize("style", STYLES)
def test_a_view_of_a_picture_gives_what_its_copy_gives(style: str) -> None:
    picture = scene()
    assert np.array_equal(cartoonize(picture[:, ::-1], style), cartoonize(picture[:, ::-1].copy(), style))


def test_every_style_looks_different() -> None:
    drawn = {style: cartoonize(scene(), style).astype(float) for style in STYLES}
    for one, other in itertools.combinations(STYLES, 2):
        assert np.abs(drawn[one] - drawn[other]).mean() > 1, f"{one} and {other} look alike"


def test_the_default_is_drawn() -> None:
    assert np.array_equal(cartoonize(scene()), cartoonize(scene(), "drawn"))


def colourfulness(picture: np.ndarray) -> float:
    return float(np.ptp(picture.astype(float), axis=-1).mean())


def black(picture: np.ndarray) -> float:
    return float((picture.max(-1) == 0).mean())


def test_muted_is_towards_gray_bold_has_more_line_and_soft_is_smoother() -> None:
    picture = scene(120, 160)
    drawn = {style: cartoonize(picture, style) for style in STYLES}
    assert colourfulness(drawn["muted"]) < 0.5 * colourfulness(drawn["classic"])
    assert black(drawn["bold"]) > 1.2 * black(drawn["classic"]) > 0
    stripes = np.full((60, 80, 3), 110, np.uint8)
    stripes[:, np.arange(80) % 8 < 4] = 150
    left = {style: attrs.evolve(STYLES[style], offset=255)(stripes) for style in ("classic", "soft")}  # without lines
    assert left["soft"].std() < 0.5 * left["classic"].std()


def test_all_gray_has_no_colour() -> None:
    assert colourfulness(Classic(gray=1)(scene())) == 0
    assert colourfulness(Classic(gray=0)(scene())) > 10


def test_lines_of_classic_stand_on_the_dark_side_of_edges_only() -> None:
    picture = np.full((40, 40, 3), 60, np.uint8)
    picture[:, 20:] = 180
    lines = Classic()(picture).max(-1) == 0
    assert lines[:, 14:20].any(1).all() and not lines[:, 20:].any() and not lines[:, :12].any()
    assert (Classic(widen=1)(picture).max(-1) == 0).sum() > 1.3 * lines.sum()


def test_a_poster_has_few_tones() -> None:
    picture = scene(120, 160)
    count = {style: len(np.unique(cartoonize(picture, style).reshape(-1, 3), axis=0)) for style in ("drawn", "poster")}
    assert count["poster"] < 40 < 10 * count["poster"] < count["drawn"]


def test_a_sketch_is_lines_on_white_without_colour() -> None:
    flat = np.full((40, 40, 3), 90, np.uint8)
    assert (cartoonize(flat, "sketch") == 255).all()
    flat[:, 20:] = 180
    sketch = cartoonize(flat, "sketch")
    assert colourfulness(sketch) == 0
    assert sketch[:, 17:20].max() < 180 and sketch[:, :5].min() > 240 and sketch[:, 35:].min() == 255


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(KeyError):
        cartoonize(scene(), "watercolour")


def test_regions_get_flatter_and_colours_livelier() -> None:
    picture = scene()
    drawn = Drawn(lines=0, tones=0)(picture)
    inside = (slice(24, 36), slice(34, 46))
    assert drawn[inside].astype(float).std((0, 1)).max() < 0.5 * picture[inside].astype(float).std((0, 1)).max()
    spread = [np.ptp(p[inside].astype(float).mean((0, 1))) for p in (picture, drawn)]
    assert spread[1] > 1.3 * spread[0]


def test_lines_are_darker_where_there_are_edges_and_nowhere_else() -> None:
    picture = np.full((40, 40, 3), 120, np.uint8)
    picture[:, 20:] = 180
    plain, drawn = Drawn(lines=0)(picture), Drawn(lines=1)(picture)
    darker = (plain.astype(int) - drawn).max(-1) > 20
    assert darker[:, 17:23].any() and not darker[:, :12].any() and not darker[:, 28:].any()


def test_tones_are_few() -> None:
    slope = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, -1).repeat(20, 0)
    smooth, stepped = (Drawn(radius=0, lines=0, tones=t, saturation=1, brightness=1)(slope) for t in (0, 4))
    steps = [np.abs(np.diff(p[10, :, 0].astype(int))) for p in (smooth, stepped)]
    assert (steps[0] == 0).mean() < 0.2 < 0.5 < (steps[1] == 0).mean()


def test_a_data_set_yields_both_cut_alike(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.fromarray(scene()).save(tmp_path / f"{name}.png")
    data = UnpairedFolders(
        fields={"photo": str(tmp_path)},
        filtered={"drawing": Expr.parse("cartoonize(photo)")},
        image_size=32,
        load_size=60,
        validation=0.4,
    )
    assert data.groups() == {"photo": {"photo": (3, 32, 32), "drawing": (3, 32, 32)}}
    source = data.build("train")
    whole = torch.from_numpy(cartoonize(scene())).permute(2, 0, 1)
    photo = torch.from_numpy(scene()).permute(2, 0, 1)
    for seed in range(4):
        item = source.item("photo", 0, np.random.default_rng(seed))
        assert any(
            torch.equal(flipped(photo[:, t : t + 32, u : u + 32]), item["photo"])
            and torch.equal(flipped(whole[:, t : t + 32, u : u + 32]), item["drawing"])
            for flipped in (lambda p: p, lambda p: p.flip(-1))
            for t in range(29)
            for u in range(49)
        )


def test_without_opencv_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ToonforgeError, match=r"toonforge\[filters\]"):
        cartoonize(scene())
