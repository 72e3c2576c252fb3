"""The validation grid: everything is on it, it fits on a screen, it is dark on light."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge.data.grid import MARGIN, PAPER, SCREEN, WIDEST_LABEL, draw_grid


def flat(value: int, height: int = 128, width: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_every_picture_is_on_the_grid() -> None:
    values = [20, 60, 100, 140, 180, 220]
    grid = draw_grid([("photo", [flat(v) for v in values[:3]]), ("→ anime", [flat(v) for v in values[3:]])], "run")
    colours = {tuple(pixel) for pixel in np.asarray(grid).reshape(-1, 3)}
    assert {(v, v, v) for v in values} <= colours


def test_a_row_shows_the_same_picture_in_every_column() -> None:
    pictures = [flat(20), flat(60), flat(100)]
    grid = np.asarray(draw_grid([("photo", pictures), ("→ anime", pictures)], "run"))
    for value in (20, 60, 100):
        rows, columns = np.nonzero((grid == value).all(axis=2))
        left = columns < (columns.min() + columns.max()) / 2
        assert set(rows[left]) == set(rows[~left])


@settings(max_examples=30)
@given(rows=st.integers(1, 24), side=st.sampled_from([16, 96, 128, 256, 512]), columns=st.integers(1, 3))
def test_no_grid_is_taller_than_a_screen(rows: int, side: int, columns: int) -> None:
    labels = ["photo", "→ anime", "→ photo again"][:columns]
    grid = draw_grid([(label, [flat(128, side, side)] * rows) for label in labels], "run, step 500")
    assert grid.height <= SCREEN


def test_the_paper_is_light_and_a_long_title_fits() -> None:
    grid = draw_grid([("photo", [flat(0)])], "a recipe with quite a long name, step 1,000,000")
    assert grid.getpixel((0, 0)) == PAPER == grid.getpixel((grid.width - 1, 0))
    assert min(PAPER) > 230


def test_pictures_of_several_sizes_keep_their_aspect() -> None:
    grid = np.asarray(draw_grid([("photo", [flat(10, 64, 128), flat(50, 128, 64)])], "run"))
    for value, aspect in ((10, 2.0), (50, 0.5)):
        rows, columns = np.nonzero((grid == value).all(axis=2))
        found = (np.ptp(columns) + 1) / (np.ptp(rows) + 1)
        assert found == pytest.approx(aspect, rel=0.05)


def test_a_grid_without_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        draw_grid([("photo", [])], "run")


def test_labels_of_small_pictures_are_whole() -> None:
    def inked(label: str) -> int:
        """How far right the label's ink reaches in a column of 96 pixels, from its left."""
        labelled = np.asarray(draw_grid([("photo", [flat(255, 96, 96)]), (label, [flat(255, 96, 96)])], "run"))
        head = labelled[MARGIN + 20 : -MARGIN - 96, :-MARGIN]
        return int(np.nonzero((head.astype(int).sum(axis=2) < 3 * 200).any(axis=0))[0].max())

    assert inked("→ from_sketch") > inked("→ from_ske") > inked("→ from")
    widest = draw_grid([("photo", [flat(9, 96, 96)]), ("→ " + "long" * 99, [flat(9, 96, 96)])], "run").width
    assert widest <= 2 * (WIDEST_LABEL + MARGIN) + 30


def test_a_target_stays_beside_the_translation_that_should_be_it() -> None:
    pictures = [flat(20), flat(60)]
    both = [("cartoon", pictures), ("→ photo", pictures), ("target photo", pictures)]
    together, apart = draw_grid(both, "run"), draw_grid([*both[:2], ("other", pictures)], "run")
    assert together.width < apart.width
