"""Which rows padding, growing and pixel shuffling read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import attrs
import torch
from torch.nn import functional

from toonforge.use.tiled.convolutions import inside, padded
from toonforge.use.tiled.step import Range

Sides = tuple[int, int, int, int]
"""Left, right, top, bottom, in pixels."""


@attrs.frozen(eq=False)
class Repeat:
    """What lies beyond the border is the picture mirrored about its outermost pixels, or these pixels again."""

    mode: Literal["reflect", "replicate"]
    sides: Sides
    height: int
    local: bool = False

    def _sources(self, first: int, last: int) -> list[int]:
        end = self.height - 1
        rows = range(first - self.sides[2], last - self.sides[2])
        if self.mode == "replicate":
            return [min(max(row, 0), end) for row in rows]
        return [end - abs(end - abs(row)) for row in rows]

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """From the first to the last row that is repeated."""
        sources = self._sources(first, last)
        return [(min(sources), max(sources) + 1)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Rows in the order in which they are repeated, then the columns."""
        (x,) = inputs
        sources = self._sources(first, last)
        start = min(sources)
        if sources != list(range(start, start + len(sources))):
            x = x.index_select(2, torch.tensor([row - start for row in sources], device=x.device))
        left, right = self.sides[:2]
        return functional.pad(x, (left, right, 0, 0), self.mode) if left or right else x


@attrs.frozen(eq=False)
class Constant:
    """Beyond the border lies one number; negative sides cut."""

    sides: Sides
    value: float
    height: int
    local: bool = False

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The rows that there are."""
        return [inside(first - self.sides[2], last - self.sides[2], self.height)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Padded only where the picture ends."""
        top = self.sides[2]
        return padded(inputs[0], first - top, last - top, self.height, self.sides[:2], self.value)


@attrs.frozen(eq=False)
class Grow:
    """Sides multiplied: a number repeated, or interpolated between the centres of pixels.

    Args:
        times: height and width, powers of two: positions are exact then, wherever a strip begins.
    """

    mode: Literal["nearest", "bilinear"]
    times: tuple[int, int]
    height: int
    local: bool = False

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The rows that are repeated, or between which is interpolated."""
        times = self.times[0]
        if self.mode == "nearest" or times == 1:
            return [(first // times, (last - 1) // times + 1)]
        # A row's centre lies at (row + 1/2) / times - 1/2 of the input.
        return [inside((2 * first + 1 - times) // (2 * times), (2 * last - 1 - times) // (2 * times) + 2, self.height)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """All that the input rows grow to, cut to what is asked for."""
        (x,) = inputs
        needed = self.needs(first, last)[0]
        assert needed is not None
        size = (x.shape[2] * self.times[0], x.shape[3] * self.times[1])
        align = None if self.mode == "nearest" else False
        grown = functional.interpolate(x, size, mode=self.mode, align_corners=align)
        return grown.narrow(2, first - needed[0] * self.times[0], last - first)


@attrs.frozen(eq=False)
class Shuffle:
    """Channels laid out as pixels."""

    times: int
    local: bool = False

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The rows whose channels these are."""
        return [(first // self.times, (last - 1) // self.times + 1)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Laid out, cut to what is asked for."""
        return functional.pixel_shuffle(inputs[0], self.times).narrow(2, first % self.times, last - first)


@attrs.frozen(eq=False)
class Unshuffle:
    """Pixels laid out as channels."""

    times: int
    local: bool = False

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The rows of these pixels."""
        return [(first * self.times, last * self.times)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Laid out."""
        return functional.pixel_unshuffle(inputs[0], self.times)
