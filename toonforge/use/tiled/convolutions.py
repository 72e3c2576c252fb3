"""Which rows a convolution reads, and the convolution of only these."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from torch.nn import functional

from toonforge.use.tiled.step import Range

Pair = tuple[int, int]


def inside(first: int, last: int, height: int) -> Range:
    """The rows that a picture has of [first, last): at least one, so that there is something to pad."""
    first = min(max(first, 0), height - 1)
    return first, max(first + 1, min(last, height))


def padded(
    x: torch.Tensor, first: int, last: int, height: int, columns: Pair = (0, 0), value: float = 0.0
) -> torch.Tensor:
    """Rows [first, last), of which there may be none in the picture, from those of `inside`."""
    start, end = inside(first, last, height)
    above, below = max(0, start - first), max(0, last - end)
    if above or below or any(columns):
        x = functional.pad(x, (*columns, above, below), value=value)
    # Wholly beyond the border, the row that is there for padding is cut off again.
    return x if x.shape[2] == last - first else x.narrow(2, max(0, first - start), last - first)


@attrs.frozen(eq=False)
class Convolve:
    """A convolution with zeros beyond the border.

    Args:
        height: of the input.
        stride, padding, dilation: along height and width.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    height: int
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    local: bool = False

    def _reads(self, first: int, last: int) -> Range:
        """As if there were rows beyond the border."""
        start = first * self.stride[0] - self.padding[0]
        end = (last - 1) * self.stride[0] - self.padding[0] + self.dilation[0] * (self.weight.shape[2] - 1) + 1
        return start, end

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The rows that the kernel covers."""
        return [inside(*self._reads(first, last), self.height)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Zeros only where the picture ends."""
        x = padded(inputs[0], *self._reads(first, last), self.height)
        bias = None if self.bias is None else self.bias.to(x.device)
        weight, padding = self.weight.to(x.device), (0, self.padding[1])
        return functional.conv2d(x, weight, bias, self.stride, padding, self.dilation, self.groups)


@attrs.frozen(eq=False)
class Transpose:
    """A transposed convolution whose kernel is no smaller than its stride.

    Args: see `Convolve`; `more` is the output's padding.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    height: int
    stride: Pair
    padding: Pair
    dilation: Pair
    more: Pair
    groups: int
    local: bool = False

    @property
    def reach(self) -> int:
        """Rows below its own that an input row contributes to."""
        return self.dilation[0] * (self.weight.shape[2] - 1)

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The rows whose kernels cover these."""
        start = -((self.reach - first - self.padding[0]) // self.stride[0])
        return [inside(start, (last - 1 + self.padding[0]) // self.stride[0] + 1, self.height)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """All that the input rows contribute to, cut to what is asked for."""
        (x,) = inputs
        needed = self.needs(first, last)[0]
        assert needed is not None
        start = first + self.padding[0] - needed[0] * self.stride[0]
        rows = (x.shape[2] - 1) * self.stride[0] + self.reach + 1
        missing = max(0, start + last - first - rows)
        y = functional.conv_transpose2d(
            x,
            self.weight.to(x.device),
            None if self.bias is None else self.bias.to(x.device),
            self.stride,
            (0, self.padding[1]),
            (missing, self.more[1]),
            self.groups,
            self.dilation,
        )
        return y.narrow(2, start, last - first)


@attrs.frozen(eq=False)
class Pool:
    """A window's average or maximum, without padding."""

    average: bool
    kernel: Pair
    stride: Pair
    dilation: Pair
    local: bool = False

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The rows that the windows cover."""
        reach = self.dilation[0] * (self.kernel[0] - 1)
        return [(first * self.stride[0], (last - 1) * self.stride[0] + reach + 1)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The windows of these rows."""
        if self.average:
            return functional.avg_pool2d(inputs[0], self.kernel, self.stride)
        return functional.max_pool2d(inputs[0], self.kernel, self.stride, dilation=self.dilation)
