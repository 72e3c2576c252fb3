"""Pictures that look like photographs to what measures them, and what is done to photographs."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

from toonforge.prepare.quality.bars import Bars

Picture = np.ndarray


def scene(height: int = 288, width: int = 384, seed: int = 0) -> Picture:
    """A coloured picture with large and small parts, like a photograph's."""
    rng = np.random.default_rng(seed)
    sizes = [(4, 5), (16, 20), (64, 80)]
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        ).astype(float)
        for size in sizes
    ]
    return np.clip(np.average(layers, axis=0, weights=(4, 2, 1)) * 1.5 - 64, 0, 255).astype(np.uint8)


@cache
def photo(seed: int = 0) -> Picture:
    """A scene with enough detail to be sharp; made once, so it cannot be written to."""
    rng = np.random.default_rng(seed)
    fine = np.asarray(Image.fromarray(rng.integers(0, 256, (96, 128, 3), np.uint8)).resize((384, 288)), int)
    picture = np.clip(scene(seed=seed) + (fine - 128) // 2, 0, 255).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def gray(picture: Picture) -> Picture:
    return np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))


def sepia(picture: Picture) -> Picture:
    return np.clip(gray(picture) * np.array([1.07, 0.95, 0.74]) + [10, 2, 0], 0, 255).astype(np.uint8)


def jpeg(picture: Picture, quality: int = 60) -> Picture:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def barred(picture: Picture, bars: Bars, colour: tuple[int, int, int] = (0, 0, 0)) -> Picture:
    height, width = picture.shape[:2]
    shape = height + bars.top + bars.bottom, width + bars.left + bars.right, 3
    sheet = np.full(shape, colour, np.uint8)
    sheet[bars.top : bars.top + height, bars.left : bars.left + width] = picture
    return sheet
