"""Overlapping tiles, blended: for networks that cannot be computed by rows. An approximation, whose error is measured.

What a network takes of the whole picture it is given from a reduced one: see `frozen.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch
from torch import nn
from torch.nn import functional

from toonforge.use.tiled.frozen import Shared
from toonforge.use.tiled.watch import Watch
from toonforge.use.tiled.windows import Tile, spans, tiles_of

LEAST, MOST = 128, 2048
"""Pixels along a tile's side."""
OVERLAP = 4
"""A tile shares 1 / 4 of its side with the next."""


SMALLEST = 16
"""Pixels along the side of the tiles that are compared with the whole."""


@attrs.frozen
class Difference:
    """Between a picture in tiles and whole, in values of 0 to 255: the largest one and the mean."""

    largest: float
    mean: float
    height: int
    width: int

    def __str__(self) -> str:
        where = f"{self.width}x{self.height}"
        return f"{self.mean:.2f} of 255 on average and at most {self.largest:.1f}, measured on the picture at {where}"


def blended(
    network: nn.Module, arguments: Sequence[Any], device: torch.device, size: int, watch: Watch | None = None
) -> torch.Tensor:
    """A network's picture, in tiles.

    Args:
        arguments: pictures 1,C,H,W of one size, on the CPU, and numbers.
        size: a tile's side.
        watch: told of each tile.

    Returns:
        1,C,H,W on the CPU.

    Raises:
        ValueError: what it yields has not the size of what it was given.
    """
    watch = watch or Watch()
    shared = Shared()
    with watch.whole(), shared:
        _call(network, _reduced(arguments, size), device)
    height, width = _size_of(arguments)
    output: torch.Tensor | None = None
    overlap = size // OVERLAP
    watch.begin(len(spans(height, size, overlap)) * len(spans(width, size, overlap)))
    for tile in tiles_of(height, width, size, overlap):
        watch.before()
        (top, bottom), (left, right) = tile.rows, tile.columns
        with shared.begin():
            found = _call(network, _cut(arguments, tile), device)
        if found.shape[-2:] != (bottom - top, right - left):
            raise ValueError(f"it yields {list(found.shape[-2:])} of {[bottom - top, right - left]} pixels")
        if output is None:
            output = torch.zeros(1, found.shape[1], height, width, dtype=found.dtype)
        output[:, :, top:bottom, left:right] += found * tile.weights.to(found.dtype)
        watch.after()
    assert output is not None
    return output


def difference(network: nn.Module, arguments: Sequence[Any], device: torch.device, size: int) -> Difference | None:
    """How far tiles are from the whole, on the picture reduced to what can be computed whole.

    The tiles are reduced by the same factor, so that there are as many of them, and their statistics are of a picture
    that is reduced by it once more. None where no picture of that size has as many tiles along both sides.
    """
    small = _reduced(arguments, max(size, LEAST))
    height, width = _size_of(small)
    factor = max(_size_of(arguments)) / max(height, width)
    several = [reduced for given, reduced in zip(_size_of(arguments), (height, width)) if given > size]
    side = min(round(size / factor), *(reduced - 1 for reduced in several), size)
    if factor == 1:  # as it is
        side = size
    elif side < SMALLEST:
        side = min(SMALLEST, size)
        if any(reduced < 2 * side - side // OVERLAP for reduced in several):
            return None
    whole = _call(network, small, device)
    tiles = blended(network, small, device, side)
    apart = (tiles.clamp(-1, 1) - whole.clamp(-1, 1)).abs() * 127.5
    return Difference(float(apart.max()), float(apart.mean()), height, width)


def _cut(arguments: Sequence[Any], tile: Tile) -> list[Any]:
    place = (..., slice(*tile.rows), slice(*tile.columns))
    return [item[place] if isinstance(item, torch.Tensor) else item for item in arguments]


def _call(network: nn.Module, arguments: Sequence[Any], device: torch.device) -> torch.Tensor:
    found = network(*(item.to(device) if isinstance(item, torch.Tensor) else item for item in arguments))
    result: torch.Tensor = found.cpu()
    return result


def _size_of(arguments: Sequence[Any]) -> tuple[int, int]:
    height, width = next(item for item in arguments if isinstance(item, torch.Tensor)).shape[-2:]
    return int(height), int(width)


def _reduced(arguments: Sequence[Any], size: int) -> list[Any]:
    """The pictures, reduced to as many pixels as a tile has; those that have no more stay as they are."""
    height, width = _size_of(arguments)
    factor = min(1.0, (size * size / (height * width)) ** 0.5)
    if factor == 1.0:
        return list(arguments)
    sides = (max(1, int(height * factor)), max(1, int(width * factor)))
    return [
        functional.interpolate(item, sides, mode="bilinear", antialias=True) if isinstance(item, torch.Tensor) else item
        for item in arguments
    ]
