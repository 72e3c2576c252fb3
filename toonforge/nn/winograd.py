"""3x3 convolutions with 2.25 times fewer multiplications, by the minimal filtering F(2x2, 3x3) of Winograd.

A tile of 4x4 pixels and the filter are transformed by sums of theirs, multiplied pixel by pixel over all channels (16
products of matrices), and transformed back into 2x2 pixels (Lavin and Gray, "Fast algorithms for convolutional neural
networks", 2016, section 4.1). The mathematics is a convolution's; results differ by rounding, about 2e-6 of the largest
in float32. In channels-last all sums run along the channels, which lie one after another. Measured on a CPU (AMD EPYC,
two threads, 256 channels, 64x64 pixels): forward 0.85 of oneDNN's time, both gradients 0.72. At 128 channels forward
gains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from toonforge.nn.winograd_sums import Room, join, overlap, split, tiles_of, transformed, transformed_back
from toonforge.nn.written import in_channels_last, may_differ

CHANNELS = 256
"""Of the input and of the output, at least."""
TILES = 256
"""In a picture, at least: of 32x32 pixels a ResNet's training pass takes 0.92 to 0.98 of the time, of 24x24 1.06."""
TOGETHER = 256
"""Tiles that are computed at once, about: what is between the transforms then stays in the processor's cache."""


def by_winograd(network: nn.Module) -> nn.Module:
    """Let a network's wide 3x3 convolutions compute so, where their input is channels-last; returns it, changed.

    Names, parameters and the mathematics stay. Layers of subclasses stay as they are.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_wide(module):
            module.__class__ = WinogradConv2d
    return network


def keep_filters(network: nn.Module) -> None:
    """Let such convolutions transform their filters once, for a network whose weights stay as they are."""
    for module in network.modules():
        if isinstance(module, WinogradConv2d):
            module.keeps = True


def _is_wide(layer: nn.Conv2d) -> bool:
    # Whole cache lines: what a product of matrices yields then hangs on its numbers alone, not on where they lie.
    wide = all(size >= CHANNELS and size % 16 == 0 for size in (layer.in_channels, layer.out_channels))
    plain = layer.kernel_size == (3, 3) and layer.groups == 1 and {*layer.stride, *layer.dilation} == {1}
    return wide and plain and not isinstance(layer.padding, str)


class WinogradConv2d(nn.Conv2d):
    """`nn.Conv2d`.

    Attributes:
        keeps: without a gradient the transformed filters are kept until the weight changes; what is written into
            `weight.data` is not seen.
    """

    keeps = False
    _kept: tuple[Tensor, int, Tensor] | None = None

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N,C,H,W)."""
        padding: Any = self.padding
        around = self._reversed_padding_repeated_twice if self.padding_mode != "zeros" else [0, 0, 0, 0]
        height, width = (
            (size + 2 * pad - 2 for size, pad in zip(input.shape[2:], padding)) if _fits(input, weight) else (0, 0)
        )
        if min(height, width) < 2 or height * width < 4 * TILES:
            stock: Tensor = super()._conv_forward(input, weight, bias)
            return stock
        if any(around):
            input, padding = functional.pad(input, around, mode=self.padding_mode), (0, 0)
            input = input.contiguous(memory_format=torch.channels_last)
        result: Tensor = _Winograd.apply(input, weight, tuple(padding), self._filters(weight))  # type: ignore[no-untyped-call]
        return result if bias is None else result + bias.view(-1, 1, 1)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_kept"}  # a copy counts changes anew

    def _apply(self, fn: Any, recurse: bool = True) -> WinogradConv2d:
        self._kept = None  # weights may get other numbers without a change being counted
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _filters(self, weight: Tensor) -> Tensor | None:
        if not self.keeps or torch.is_grad_enabled() or weight.is_inference():
            return None
        kept = self._kept
        if kept is None or kept[0] is not weight or kept[1] != weight._version:
            self._kept = kept = (weight, weight._version, transformed(weight))
        return kept[2]

    def _get_name(self) -> str:
        return nn.Conv2d.__name__


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether it pays and can be computed so now."""
    return may_differ(x, weight) and len(x) > 0 and x.shape[1] == weight.shape[1] and in_channels_last(x)


class _Winograd(torch.autograd.Function):
    """(N,C,H,W), (K,C,3,3) and zeros around -> (N,K,H',W'), all in channels-last.

    A picture at a time, so that it comes out the same alone and in a batch.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: tuple[int, int], filters: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        plan = _Plan(x, padding)
        filters = transformed(weight) if filters is None else filters
        room = Room(x)
        size = (len(x), len(weight), plan.height, plan.width)
        result = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        y = result.permute(0, 2, 3, 1)
        for index in range(len(x)):
            picture = plan.padded(x[index])
            whole = y[index] if plan.is_even else x.new_empty(2 * plan.rows, 2 * plan.columns, len(weight))
            for rows in plan.parts():
                tiles = tiles_of(picture[2 * rows.start : 2 * rows.stop + 2], room)
                product = room("product", 16, tiles.shape[1], len(weight))
                torch.bmm(tiles, filters.transpose(1, 2), out=product)
                join(product.view(4, 4, -1, plan.columns, len(weight)), whole[2 * rows.start : 2 * rows.stop], room)
            if not plan.is_even:
                y[index] = whole[: plan.height, : plan.width]
        return result  # no view, which nobody could change in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # a gradient's gradient is wanted, which torch's own has
            how = ((1, 1), ctx.padding, (1, 1), False, (0, 0), 1)
            mask = [of_x, of_weight, False]
            both = torch.ops.aten.convolution_backward(gradient, x, weight, None, *how, mask)
            return both[0], both[1], None, None
        plan, room = _Plan(x, ctx.padding), Room(x)
        filters = transformed(weight) if of_x else None
        by_filters = x.new_zeros(16, *weight.shape[:2]) if of_weight else None
        by_x = x.new_empty(len(x), *x.shape[2:], x.shape[1]) if of_x else None
        for index in range(len(x)):
            picture = plan.padded(x[index]) if of_weight else None
            slopes = plan.evened(gradient[index])
            around = x.new_zeros(2 * plan.rows + 2, 2 * plan.columns + 2, x.shape[1]) if of_x else None
            for rows in plan.parts():
                product = split(slopes[2 * rows.start : 2 * rows.stop], room)
                if by_filters is not None and picture is not None:
                    tiles = tiles_of(picture[2 * rows.start : 2 * rows.stop + 2], room)
                    by_filters.baddbmm_(product.transpose(1, 2), tiles)
                if around is not None and filters is not None:
                    back = room("back", 16, product.shape[1], x.shape[1])
                    torch.bmm(product, filters, out=back)
                    places = back.view(4, 4, -1, plan.columns, x.shape[1])
                    overlap(places, around[2 * rows.start : 2 * rows.stop + 2], room)
            if by_x is not None and around is not None:
                by_x[index] = plan.cropped(around)
        return (
            None if by_x is None else by_x.permute(0, 3, 1, 2),
            None if by_filters is None else transformed_back(by_filters),
            None,
            None,
        )


class _Plan:
    """How the tiles lie over pictures of a size, with zeros around them.

    Attributes:
        height, width: of what comes out.
        rows, columns: of tiles, which yield 2x2 pixels each.
        is_even: no tile yields more than is wanted.
    """

    def __init__(self, x: Tensor, padding: tuple[int, int]) -> None:
        self.padding = padding
        self.height, self.width = (size + 2 * pad - 2 for size, pad in zip(x.shape[2:], padding))
        self.rows, self.columns = (self.height + 1) // 2, (self.width + 1) // 2
        self.is_even = self.height % 2 == self.width % 2 == 0

    def parts(self) -> Iterator[slice]:
        """Rows of tiles that are computed at once."""
        step = max(1, TOGETHER // self.columns)
        return (slice(start, min(start + step, self.rows)) for start in range(0, self.rows, step))

    def padded(self, picture: Tensor) -> Tensor:
        """(C,H,W) in channels-last -> (2 rows + 2, 2 columns + 2, C)."""
        picture = picture.permute(1, 2, 0)
        if self.is_even and not any(self.padding):
            return picture
        whole = picture.new_zeros(2 * self.rows + 2, 2 * self.columns + 2, picture.shape[2])
        self._inner(whole, picture)[...] = picture
        return whole

    def cropped(self, whole: Tensor) -> Tensor:
        """What `padded` has put zeros around, without them."""
        (top, left), (height, width) = self.padding, (self.height + 2, self.width + 2)
        return whole[top : height - top, left : width - left]

    def _inner(self, whole: Tensor, picture: Tensor) -> Tensor:
        top, left = self.padding
        return whole[top : top + picture.shape[0], left : left + picture.shape[1]]

    def evened(self, gradient: Tensor) -> Tensor:
        """(K,H',W') in any layout -> (2 rows, 2 columns, K); zeros for what was not wanted."""
        gradient = gradient.permute(1, 2, 0)
        if self.is_even:
            return gradient.contiguous()
        whole = gradient.new_zeros(2 * self.rows, 2 * self.columns, gradient.shape[2])
        whole[: self.height, : self.width] = gradient
        return whole
