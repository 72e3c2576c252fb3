"""The cartoon filter: what it does to pictures, and as a batch field of data sets."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toonforge.data import UnpairedFolders
from toonforge.data.cartoonize import cartoonize
from toonforge.data.drawn import Drawn
from toonforge.errors import ToonforgeError
from toonforge.recipe.expr import Expr


def scene(height: int = 60, width: int = 80) -> np.ndarray:
    """A noisy disc on a slope of gray."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    picture = np.stack([x * 2.0, x * 2.0, x * 1.5], -1)
    picture[(y - height // 2) ** 2 + (x - width // 2) ** 2 < 300] = (200, 90, 60)
    return (picture + rng.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 70), st.integers(2, 70), st.integers(0, 2**32 - 1))
def test_size_and_type_stay_and_it_is_deterministic(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = picture.copy()
    one, two = cartoonize(picture), cartoonize(picture)
    assert one.shape == picture.shape and one.dtype == np.uint8
    assert np.array_equal(one, two) and np.array_equal(picture, before)


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
    whole = torch.from_numpy(cartoonize(scene())).permute(2, 0, 1).float() / 127.5 - 1
    photo = torch.from_numpy(scene()).permute(2, 0, 1).float() / 127.5 - 1
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
