"""Statistics over all places of a picture that passes by in strips: as exact as of the picture whole."""

from __future__ import annotations

from typing import Literal

import attrs
import torch


@attrs.frozen(eq=False)
class Statistics:
    """What is gathered.

    Args:
        kind: "norm" yields 2,C: mean and variance of each channel's group; the others one number a channel, or one
            number where there is one group.
        groups: of channels that share numbers; as many as there are channels where each has its own.
        correction: taken off the count that a variance is divided by.
        shape: of what is yielded; "norm" has its own.
    """

    kind: Literal["norm", "mean", "sum", "var", "std"]
    channels: int
    groups: int
    correction: float = 0.0
    shape: tuple[int, ...] = ()

    def begin(self) -> Gathering:
        """Nothing gathered yet."""
        return Gathering(self)


class Gathering:
    """Counts, means and squared distances of the strips so far, put together as Chan et al. (1979) do."""

    def __init__(self, of: Statistics) -> None:
        self.of, self.count = of, 0
        self.mean = torch.zeros(of.groups, dtype=torch.float64)
        self.squares = torch.zeros(of.groups, dtype=torch.float64)

    def add(self, strip: torch.Tensor) -> None:
        """1,C,rows,W."""
        mean, squares = moments(strip.reshape(self.of.groups, -1))
        count = strip.numel() // self.of.groups
        total = self.count + count
        away = mean.to("cpu", torch.float64) - self.mean
        self.mean += away * (count / total)
        self.squares += squares.to("cpu", torch.float64) + away**2 * (self.count * count / total)
        self.count = total

    def value(self, dtype: torch.dtype) -> torch.Tensor:
        """What was asked for."""
        of = self.of
        if of.kind == "norm":
            both = torch.stack([self.mean, self.squares / self.count])
            return both.repeat_interleave(of.channels // of.groups, 1).to(dtype)
        if of.kind in ("mean", "sum"):
            found = self.mean * (self.count if of.kind == "sum" else 1)
        else:
            found = self.squares / max(self.count - of.correction, 0)
            found = found.sqrt() if of.kind == "std" else found
        return found.to(dtype).reshape(of.shape)


def moments(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means of the rows of numbers, and their squared distances from them, summed.

    Sums of torch are as exact as numbers of one sign allow, and distances from the mean are; its own variance takes
    several times as long. Row by row what was just written is still in the cache.
    """
    if numbers.dtype in (torch.float16, torch.bfloat16):
        numbers = numbers.float()
    if numbers.device.type != "cpu":
        means = numbers.mean(1)
        return means, (numbers - means[:, None]).square_().sum(1)
    means = torch.stack([row.mean() for row in numbers])
    return means, torch.stack([(row - mean).square_().sum() for row, mean in zip(numbers, means)])
