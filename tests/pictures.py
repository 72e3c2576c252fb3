"""Picture files for the tests of the data layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from toonforge.data.split import SPLITS, parts_of


def gradient(height: int = 20, width: int = 30, seed: int = 0) -> np.ndarray:
    """A picture of (height, width, 3) whose halves and corners all differ."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / width, y * 255 / height, (x + y + 37 * seed) % 256]
    return np.stack(planes, axis=-1).astype(np.uint8)


def save(path: Path, height: int = 20, width: int = 30, seed: int = 0) -> Path:
    """Write a gradient; the path's ending decides the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gradient(height, width, seed)).save(path)
    return path


def fill(folder: Path, count: int, prefix: str = "picture", ending: str = ".png", size: int = 24) -> Path:
    """A folder of `count` different pictures."""
    for number in range(count):
        save(folder / f"{prefix}{number:02d}{ending}", size, size + 8, seed=number)
    return folder


def parted(names: Iterable[str], *, validation: float, test: float = 0.0, seed: int) -> Mapping[str, frozenset[str]]:
    """Part -> its names, as `parts_of` parts them."""
    names = list(names)
    parts = parts_of(names, validation=validation, test=test, seed=seed).tolist()
    return {part: frozenset(name for name, at in zip(names, parts) if at == n) for n, part in enumerate(SPLITS)}
