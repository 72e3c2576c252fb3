"""What data sets say of how their pictures are prepared is what they do."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from toonforge.components import Dataset
from toonforge.data.picture_set import PictureSet
from toonforge.data.transforms import Geometry, scaled_size


@given(st.integers(4, 64), st.integers(0, 40), st.sampled_from(((1, 1), (1, 1.5))))
def test_the_words_name_the_sizes_that_pictures_get(size: int, more: int, jitter: tuple[float, float]) -> None:
    geometry = Geometry(image_size=size, load_size=size + more, flip=True, jitter=jitter)
    short, width, height = map(int, re.findall(r"\d+", geometry.words))
    assert width == height == size
    # A gradient: what share of it is left says how far the picture was scaled before it was cut.
    rows = scaled_size(100, 150, geometry.short)
    picture = np.tile(np.linspace(0, 255, rows[1]), (rows[0], 1)).astype(np.uint8)[..., None].repeat(3, -1)
    cut = geometry.crop(picture, None)
    assert cut.to == size and abs(cut.size / geometry.short - size / short) <= 1 / geometry.short


def test_each_part_is_described_as_it_is_cut() -> None:
    data = PictureSet(image_size=96, load_size=110, validation_size=192, reduced=True)
    assert data.preparation("train").startswith("short side scaled to 110 pixels (bicubic, antialiased), 96x96 cut")
    assert "scaled to 192 pixels" in data.preparation("validation") and "192x192" in data.preparation("validation")
    assert data.preparation("test").endswith("reduced size") and Dataset().preparation("validation") == ""
