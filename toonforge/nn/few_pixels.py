"""Convolutions over few pixels as products of matrices: their weights, far larger than the picture, stay as they lie.

The innermost convolutions of a U-Net have 4 to 8 million weights for 1 to 64 pixels. Torch's kernels on a CPU lay such
weights out anew for each pass, and their gradients back: that is most of their time, and 100 MB at once. A product of
matrices reads them as they are. Measured on a CPU (AMD EPYC, one thread), forward and backward together take 0.2 to 0.8
of the time up to 64 pixels, and more than torch's from 256 on.

With a gradient alone: otherwise a picture would come out otherwise, in the last digits, alone than in a large batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from toonforge.nn.written import may_differ

WEIGHTS = 2**20
"""Numbers in a convolution's weights, at least."""
PIXELS = 64
"""Pixels of all pictures together, at most: of a convolution's output, of a transposed one's input."""


def by_matrices(network: nn.Module) -> nn.Module:
    """Let a network's largest convolutions compute by matrices where pixels are few; returns it, changed in place.

    Names, parameters and the mathematics stay. Layers of subclasses, and those that do more than plain convolutions do,
    stay as they are.
    """
    for module in network.modules():
        if type(module) in FEW and _is_large(module) and _is_plain(module):
            module.__class__ = FEW[type(module)]
    return network


def _is_large(layer: Any) -> bool:
    return bool(layer.weight.numel() >= WEIGHTS)


def _is_plain(layer: Any) -> bool:
    return bool(
        layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and not any(layer.output_padding)
    )


class _Pairs(NamedTuple):
    """A layer's numbers, one for rows and one for columns."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def yielded(self, axis: int, size: int) -> int:
        """Pixels that a convolution makes of some."""
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (size + 2 * self.padding[axis] - reach) // self.stride[axis] + 1

    def begun(self, axis: int, size: int) -> int:
        """Pixels that a transposed one makes."""
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (size - 1) * self.stride[axis] - 2 * self.padding[axis] + reach


def _pairs(layer: nn.Conv2d | nn.ConvTranspose2d) -> _Pairs:
    assert not isinstance(layer.padding, str)  # of such layers, this is none
    return _Pairs(layer.kernel_size, layer.stride, layer.padding, layer.dilation)


class FewPixelsConv2d(nn.Conv2d):
    """`nn.Conv2d`."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N,C,H,W)."""
        how = _pairs(self)
        count, height, width = len(input), 0, 0
        if _fits(self, input, weight):
            height, width = how.yielded(0, input.shape[2]), how.yielded(1, input.shape[3])
        if min(height, width) < 1 or not 0 < count * height * width <= PIXELS:
            stock: Tensor = super()._conv_forward(input, weight, bias)
            return stock
        columns = functional.unfold(_rows(input), how.kernel, how.dilation, how.padding, how.stride)
        rows = columns.transpose(1, 2).reshape(count * height * width, -1).contiguous()  # N*pixels,C*k*k
        result = _rows(rows @ weight.view(len(weight), -1).t())
        if bias is not None:
            result = result + bias
        # In torch's own layout: batch norm's gradient is wrong where only some of what it meets is channels-last.
        # A copy always: torch lets nobody change a view of what `_rows` yields in place, as activations do.
        pictures = result.view(count, height * width, -1).transpose(1, 2).clone(memory_format=torch.contiguous_format)
        return pictures.view(count, -1, height, width)

    def _get_name(self) -> str:
        return nn.Conv2d.__name__


class FewPixelsConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(N,C,H,W)."""
        if output_size is None:
            return self.convolved(input, self.bias)
        result: Tensor = super().forward(input, output_size)
        return result

    def convolved(self, input: Tensor, bias: Tensor | None) -> Tensor:
        """(N,C,H,W), with a bias or none."""
        how = _pairs(self)
        height, width = input.shape[2:] if _fits(self, input, self.weight) else (0, 0)
        size = (how.begun(0, height), how.begun(1, width))
        if min(size) < 1 or not 0 < len(input) * height * width <= PIXELS:
            options = (how.stride, how.padding, (0, 0), 1, how.dilation)
            return functional.conv_transpose2d(input, self.weight, bias, *options)
        rows = _rows(input).flatten(2).transpose(1, 2).reshape(-1, input.shape[1]).contiguous()  # N*pixels,C
        columns = _rows(rows @ self.weight.view(len(self.weight), -1))
        columns = columns.view(len(input), height * width, -1).transpose(1, 2)
        result = functional.fold(columns, size, how.kernel, how.dilation, how.padding, how.stride)
        return result if bias is None else result + bias.view(-1, 1, 1)

    def _get_name(self) -> str:
        return nn.ConvTranspose2d.__name__


FEW: dict[type[nn.Module], Any] = {nn.Conv2d: FewPixelsConv2d, nn.ConvTranspose2d: FewPixelsConvTranspose2d}


def _fits(layer: Any, x: Tensor, weight: Tensor) -> bool:
    """Whether the layer can compute by matrices now."""
    return (
        torch.is_grad_enabled() and may_differ(x, weight) and x.shape[1] == layer.in_channels and weight.is_contiguous()
    )


def _rows(x: Tensor) -> Tensor:
    result: Tensor = _Rows.apply(x)  # type: ignore[no-untyped-call]
    return result


class _Rows(torch.autograd.Function):
    """Passes a value on, and its gradient in torch's own layout.

    Products of matrices are slow on thin columns, and torch's batch norm takes some layouts of gradients wrongly.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Any shape."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The same."""
        return gradient.contiguous()
