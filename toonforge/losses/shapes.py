"""Shape checks that several losses and metrics share. Needs no torch."""

from __future__ import annotations

from toonforge.components import Shape
from toonforge.errors import ShapeError
from toonforge.names import shape_text


def same_shape(**shapes: Shape) -> None:
    """Raise `ShapeError` unless all shapes are equal; the text names the fields by their keys."""
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{key} is {shape_text(shape)}" for key, shape in shapes.items())
        raise ShapeError(f"{' and '.join(shapes)} must have one shape, but {listed}")


def a_picture(key: str, shape: Shape) -> None:
    """Raise `ShapeError` unless the shape is (channels, height, width) with no empty side."""
    if len(shape) != 3 or 0 in shape:
        raise ShapeError(f"{key} must be a picture (channels x height x width), found {shape_text(shape)}")


def gray_or_rgb(**shapes: Shape) -> None:
    """Raise `ShapeError` unless each is a picture of 1 or 3 channels; their sizes may differ."""
    for key, shape in shapes.items():
        a_picture(key, shape)
        if shape[0] not in (1, 3):
            raise ShapeError(f"{key} must be a picture of 1 or 3 channels, found {shape[0]}")
