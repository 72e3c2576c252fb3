"""How large a value may be: a few words of a recipe can ask for more than any machine holds."""

from __future__ import annotations

import math

from toonforge.components import Shape
from toonforge.errors import ShapeError
from toonforge.names import shape_text

MAX_NUMBERS = 2**29
"""Numbers in one value of one sample, 2 GiB of float32. Two of the largest pictures that may be trained on, stacked,
have three quarters of that."""
MAX_BATCH = 2**34
"""Numbers of one data field in the batch of one process, 16 GiB as they are read."""


def refuse_absurd(shape: Shape, most: int = MAX_NUMBERS) -> None:
    """Raise `ShapeError` for a value with more numbers than any recipe needs."""
    if math.prod(shape) > most:
        raise ShapeError(f"{shown(shape)} is far too large: more than {most:,} numbers")


def shown(value: object) -> str:
    """A shape as "3x256x256"; a number as itself."""
    return shape_text(value) if isinstance(value, tuple) else repr(value)
