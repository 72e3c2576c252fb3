"""What both networks are called with: a picture and a whole number, as in `G(photo, 1)`. Needs no torch."""

from __future__ import annotations

from toonforge.components import Shape
from toonforge.errors import ShapeError
from toonforge.nn import one_picture


def picture_and_number(
    name: str, inputs: tuple[Shape | float, ...], meaning: str, field: str, count: int, channels: int | None
) -> tuple[int, int, int]:
    """(height, width, number) of what a network is called with.

    Args:
        name: of the network, for the error's text.
        inputs: the shape of a picture, and a number from 0 to `count` - 1.
        meaning: what the number is of.
        field: which field of the config says how many there are.
        channels: how many it was built for, None while that is not settled.

    Raises:
        ShapeError: for anything else.
    """
    pictures = tuple(value for value in inputs if isinstance(value, tuple))
    numbers = [value for value in inputs if not isinstance(value, tuple)]
    _, height, width = one_picture(name, pictures, channels)
    if [type(value) for value in numbers] != [int] or numbers[0] not in range(count):
        found = ", ".join(map(str, numbers)) or "no number"
        raise ShapeError(
            f"{name} takes a picture and the number of {meaning}, 0 to {count - 1} with {field} = {count}, "
            f"found {found}"
        )
    return height, width, int(numbers[0])
