"""Overlapping tiles of a picture, and weights that fade from each to the next and sum to one everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import torch

Span = tuple[int, int]


@attrs.frozen(eq=False)
class Tile:
    """Rows and columns of a tile, and its share of each pixel's value, rows x columns."""

    rows: Span
    columns: Span
    weights: torch.Tensor


def spans(length: int, size: int, overlap: int) -> list[Span]:
    """Pieces of at most `size` along a side, each overlapping the next by at least `overlap`, spread evenly.

    Args:
        overlap: at most half of `size`.
    """
    if length <= size:
        return [(0, length)]
    count = max(2, math.ceil((length - overlap) / max(1, size - overlap)))
    starts = [round(number * (length - size) / (count - 1)) for number in range(count)]
    return [(start, start + size) for start in starts]


def shares(pieces: list[Span], length: int) -> list[torch.Tensor]:
    """Of each piece its share of each place; those of a place sum to one.

    A share fades like a raised cosine from 1 to 0 over the part that two pieces share: its slope has no step.
    """
    weights = torch.zeros(len(pieces), length, dtype=torch.float64)
    for number, (start, end) in enumerate(pieces):
        ramp = torch.ones(end - start, dtype=torch.float64)
        if number:
            shared = pieces[number - 1][1] - start
            ramp[:shared] *= _fading(shared)
        if number + 1 < len(pieces):
            shared = end - pieces[number + 1][0]
            ramp[len(ramp) - shared :] *= _fading(shared).flip(0)
        weights[number, start:end] = ramp
    weights /= weights.sum(0)
    return [weights[number, start:end] for number, (start, end) in enumerate(pieces)]


def _fading(length: int) -> torch.Tensor:
    places = (torch.arange(length, dtype=torch.float64) + 0.5) / length
    return (1 - torch.cos(math.pi * places)) / 2


def tiles_of(height: int, width: int, size: int, overlap: int) -> Iterator[Tile]:
    """Tiles of at most `size` a side, row after row; together they cover the picture."""
    rows, columns = spans(height, size, overlap), spans(width, size, overlap)
    across = list(zip(columns, shares(columns, width)))
    for row, down in zip(rows, shares(rows, height)):
        for column, share in across:
            yield Tile(row, column, down[:, None] * share[None])
