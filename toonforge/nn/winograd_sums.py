"""The sums before and after the products of `toonforge.nn.winograd`: of filters, of pictures, of gradients.

Tensors are (…, rows, columns, channels): what is summed lies one after another.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Room:
    """Memory that each part uses again: by then it is in the processor's cache."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.kept: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor:
        """An empty tensor, which lives until the next of this name."""
        count = math.prod(shape)
        if name not in self.kept or self.kept[name].numel() < count:
            self.kept[name] = self.like.new_empty(count)
        return self.kept[name][:count].view(shape)


def transformed(weight: Tensor) -> Tensor:
    """(K,C,3,3) -> (16,K,C)."""
    lines = weight.permute(2, 3, 0, 1)
    half = weight.new_empty(4, *lines.shape[1:])
    _means(lines, half)
    whole = weight.new_empty(4, 4, *lines.shape[2:])
    _means(half.transpose(0, 1), whole.transpose(0, 1))
    return whole.view(16, *lines.shape[2:])


def _means(three: Tensor, out: Tensor) -> None:
    out[0], out[3] = three[0], three[2]
    ends = three[0] + three[2]
    torch.add(ends, three[1], out=out[1]).mul_(0.5)
    torch.sub(ends, three[1], out=out[2]).mul_(0.5)


def transformed_back(by_filters: Tensor) -> Tensor:
    """(16,K,C) -> (K,C,3,3): the adjoint of `transformed`."""
    half = _parts_of_means(by_filters.view(4, 4, *by_filters.shape[1:]).transpose(0, 1))
    return _parts_of_means(half.transpose(0, 1)).permute(2, 3, 0, 1)


def _parts_of_means(four: Tensor) -> Tensor:
    middle = (four[1] + four[2]).mul_(0.5)
    return torch.stack([four[0] + middle, (four[1] - four[2]).mul_(0.5), four[3] + middle])


def tiles_of(picture: Tensor, room: Room) -> Tensor:
    """(2r+2,2c+2,C) -> (16,r*c,C): the transform of each 4x4 pixels, two pixels apart."""
    rows, columns, channels = picture.shape[0] // 2 - 1, picture.shape[1] // 2 - 1, picture.shape[2]
    half = room("half", 4, rows, picture.shape[1], channels)
    _differences(picture[0:-2:2], picture[1:-2:2], picture[2::2], picture[3::2], half)
    whole = room("tiles", 4, 4, rows, columns, channels)
    _differences(half[:, :, 0:-2:2], half[:, :, 1:-2:2], half[:, :, 2::2], half[:, :, 3::2], whole.transpose(0, 1))
    return whole.view(16, rows * columns, channels)


def _differences(first: Tensor, second: Tensor, third: Tensor, fourth: Tensor, out: Tensor) -> None:
    torch.sub(first, third, out=out[0])
    torch.add(second, third, out=out[1])
    torch.sub(third, second, out=out[2])
    torch.sub(second, fourth, out=out[3])


def join(product: Tensor, out: Tensor, room: Room) -> None:
    """(4,4,r,c,K) -> (2r,2c,K), the transform of each 4x4 numbers into 2x2 pixels."""
    half = room("half", 2, *product.shape[1:])
    _sums(product, (half[0], half[1]))
    for row in (0, 1):
        _sums(half[row], (out[row::2, 0::2], out[row::2, 1::2]))


def _sums(four: Tensor, out: tuple[Tensor, Tensor]) -> None:
    torch.add(four[0], four[1], out=out[0]).add_(four[2])
    torch.sub(four[1], four[2], out=out[1]).sub_(four[3])


def split(gradient: Tensor, room: Room) -> Tensor:
    """(2r,2c,K) -> (16,r*c,K): the adjoint of `join`."""
    rows, columns, count = gradient.shape[0] // 2, gradient.shape[1] // 2, gradient.shape[2]
    half = room("half", 4, rows, gradient.shape[1], count)
    _shared(gradient[0::2], gradient[1::2], half)
    whole = room("split", 4, 4, rows, columns, count)
    _shared(half[:, :, 0::2], half[:, :, 1::2], whole.transpose(0, 1))
    return whole.view(16, rows * columns, count)


def _shared(first: Tensor, second: Tensor, out: Tensor) -> None:
    out[0] = first
    torch.add(first, second, out=out[1])
    torch.sub(first, second, out=out[2])
    torch.neg(second, out=out[3])


def overlap(back: Tensor, out: Tensor, room: Room) -> None:
    """(4,4,r,c,C) -> added to (2r+2,2c+2,C): the adjoint of `tiles_of`."""
    half = room("half", 4, back.shape[2], out.shape[1], out.shape[2]).zero_()
    _added(back.transpose(0, 1), half[:, :, 0::2], half[:, :, 1::2], 2)
    _added(half, out[0::2], out[1::2], 0)


def _added(four: Tensor, even: Tensor, odd: Tensor, dim: int) -> None:
    count = even.shape[dim] - 1
    even.narrow(dim, 0, count).add_(four[0])
    even.narrow(dim, 1, count).sub_(four[0]).add_(four[1]).add_(four[2])
    odd.narrow(dim, 0, count).add_(four[1]).sub_(four[2]).add_(four[3])
    odd.narrow(dim, 1, count).sub_(four[3])
