"""Shape arithmetic of networks. Needs no torch, so that recipes are checked without it."""

from __future__ import annotations

from typing import TypeVar

import attrs

from toonforge.components import NetworkComponent, Shape
from toonforge.errors import ShapeError
from toonforge.names import shape_text

__all__ = ["one_picture", "picture_and_number", "with_channels", "conv_size", "up_to_multiple"]

N = TypeVar("N", bound=NetworkComponent)


def one_picture(name: str, inputs: tuple[Shape, ...], channels: int | None = None) -> tuple[int, int, int]:
    """(channels, height, width) of a network's only input.

    Args:
        name: of the network, for the error's text.
        inputs: shapes of what it is called with.
        channels: how many it was built for, None while that is not settled.

    Raises:
        ShapeError: not exactly one input, not a picture, an empty side, or other channels.

    Examples:
        >>> from toonforge.nn import one_picture
        >>> one_picture("my network", ((3, 64, 48),), channels=3)
        (3, 64, 48)
        >>> one_picture("my network", ((1, 64, 48),), channels=3)
        Traceback (most recent call last):
        toonforge.errors.ShapeError: ...
    """
    if len(inputs) != 1 or not isinstance(inputs[0], tuple):
        raise ShapeError(f"{name} takes one picture and nothing else, found {len(inputs)} arguments")
    shape = inputs[0]
    if len(shape) != 3 or min(shape) < 1:
        raise ShapeError(f"{name} takes a picture (channels x height x width), found {shape_text(shape)}")
    if channels is not None and shape[0] != channels:
        raise ShapeError(f"{name} is made for {channels} channels (in_channels), found a picture of {shape[0]}")
    return shape[0], shape[1], shape[2]


def picture_and_number(
    name: str, inputs: tuple[Shape | float, ...], channels: int | None = None, *, field: str, count: int
) -> tuple[int, int, int, int]:
    """(channels, height, width, number) of a network that is called as in `G(photo, 1)`.

    Args:
        name: of the network, for the error's text.
        inputs: the shape of a picture, then a whole number below `count`.
        channels: how many it was built for, None while that is not settled.
        field: which field of the config says how many numbers there are.
        count: its value.

    Raises:
        ShapeError: not a picture and a number in this order, no such number, 1.0 for 1, or as `one_picture`.

    Examples:
        >>> from toonforge.nn import picture_and_number
        >>> picture_and_number("my network", ((3, 64, 48), 1), channels=3, field="scales", count=2)
        (3, 64, 48, 1)
        >>> picture_and_number("my network", ((3, 64, 48), 2), channels=3, field="scales", count=2)
        Traceback (most recent call last):
        toonforge.errors.ShapeError: ...
    """
    if len(inputs) == 2:
        picture, number = inputs
        if isinstance(picture, tuple) and type(number) is int and 0 <= number < count:
            return *one_picture(name, (picture,), channels), number
    found = " and ".join("a picture" if isinstance(value, tuple) else str(value) for value in inputs) or "nothing"
    raise ShapeError(
        f"{name} takes a picture and a whole number, 0 to {count - 1} with {field} = {count}, found {found}"
    )


def with_channels(config: N, channels: int) -> N:
    """The config of a network with its inferred `in_channels` filled in.

    Examples:
        >>> import toonforge
        >>> from toonforge.nn import with_channels
        >>> with_channels(toonforge.discriminators["cyclegan/patchgan"](), 6).in_channels
        6
    """
    return attrs.evolve(config, in_channels=channels)  # type: ignore[misc]


def conv_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Output side of a convolution; 0 or less when the kernel does not fit.

    Examples:
        >>> from toonforge.nn import conv_size
        >>> conv_size(256, kernel=4, stride=2, padding=1)
        128
    """
    return (size + 2 * padding - kernel) // stride + 1


def up_to_multiple(size: int, multiple: int, minimum: int = 1) -> int:
    """The smallest multiple that is neither below `size` nor below `minimum`.

    Examples:
        >>> from toonforge.nn import up_to_multiple
        >>> up_to_multiple(100, 32), up_to_multiple(10, 8, minimum=32)
        (128, 32)
    """
    return -(-max(size, minimum) // multiple) * multiple
