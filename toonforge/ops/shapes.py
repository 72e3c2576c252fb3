"""Checks of what an op is called with. Needs no torch."""

from __future__ import annotations

from toonforge.components import Shape
from toonforge.errors import ShapeError


def tensor_shape(op: str, position: int, value: Shape | float) -> Shape:
    """The shape at `position` (from 1); `ShapeError` when a number stands there."""
    if not isinstance(value, tuple):
        raise ShapeError(f"argument {position} of {op} must be a tensor, found the number {value:g}")
    return value


def picture_shape(op: str, position: int, value: Shape | float) -> tuple[int, int, int]:
    """(channels, height, width) at `position`; `ShapeError` for anything else."""
    shape = tensor_shape(op, position, value)
    if len(shape) != 3:
        raise ShapeError(f"argument {position} of {op} must be a picture (channels x height x width), found {shape}")
    return shape[0], shape[1], shape[2]


def number(op: str, position: int, value: Shape | float) -> float:
    """The number at `position`; `ShapeError` when a tensor stands there."""
    if isinstance(value, tuple):
        raise ShapeError(f"argument {position} of {op} must be a number, found a tensor of shape {value}")
    return float(value)
