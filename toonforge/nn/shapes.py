"""Shape arithmetic of networks. Needs no torch, so that recipes are checked without it."""

from __future__ import annotations

from typing import TypeVar

import attrs

from toonforge.components import NetworkComponent, Shape
from toonforge.errors import ShapeError

__all__ = ["one_picture", "with_channels", "conv_size", "up_to_multiple"]

N = TypeVar("N", bound=NetworkComponent)


def one_picture(name: str, inputs: tuple[Shape, ...], channels: int | None = None) -> tuple[int, int, int]:
    """(channels, height, width) of a network's only input.

    Args:
        name: of the network, for the error's text.
        inputs: shapes of what it is called with.
        channels: how many it was built for, None while that is not settled.

    Raises:
        ShapeError: not exactly one input, not a picture, an empty side, or other channels.
    """
    if len(inputs) != 1 or not isinstance(inputs[0], tuple):
        raise ShapeError(f"{name} takes one picture and nothing else, found {len(inputs)} arguments")
    shape = inputs[0]
    if len(shape) != 3 or min(shape) < 1:
        raise ShapeError(f"{name} takes a picture (channels x height x width), found {'x'.join(map(str, shape))}")
    if channels is not None and shape[0] != channels:
        raise ShapeError(f"{name} is made for {channels} channels (in_channels), found a picture of {shape[0]}")
    return shape[0], shape[1], shape[2]


def with_channels(config: N, channels: int) -> N:
    """The config of a network with its inferred `in_channels` filled in."""
    return attrs.evolve(config, in_channels=channels)  # type: ignore[misc]


def conv_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Output side of a convolution; 0 or less when the kernel does not fit."""
    return (size + 2 * padding - kernel) // stride + 1


def up_to_multiple(size: int, multiple: int, minimum: int = 1) -> int:
    """The smallest multiple that is neither below `size` nor below `minimum`."""
    return -(-max(size, minimum) // multiple) * multiple
