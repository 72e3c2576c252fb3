"""Pictures to begin with: held-out photographs of an installed data set, so that no model here was trained on them."""

from __future__ import annotations

from pathlib import Path

from toonforge import registries
from toonforge.data.picture_source import PictureSource
from toonforge.errors import ToonforgeError

DATASET, FIELD, MOST = "samples/photo-cartoon", "photo", 6


def example_pictures() -> list[Path]:
    """Up to `MOST` files; none where the data set is not installed."""
    if DATASET not in registries.datasets:
        return []
    try:
        source = registries.datasets[DATASET]().build("validation")
    except ToonforgeError:  # damaged; the page needs none
        return []
    if not isinstance(source, PictureSource):
        return []
    return [Path(source.where(FIELD, index)[FIELD]) for index in range(min(MOST, source.sizes[FIELD]))]
