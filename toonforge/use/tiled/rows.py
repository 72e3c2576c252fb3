"""Steps whose rows come from the same rows of their inputs: functions of each number, channels put together, cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch

from toonforge.use.tiled.step import Range


@attrs.frozen
class Slot:
    """Stands in the arguments of an operation for its input of this number."""

    number: int


def filled(argument: Any, values: Sequence[Any]) -> Any:
    """The arguments with each `Slot` replaced by the value of its number."""
    if isinstance(argument, Slot):
        return values[argument.number]
    if isinstance(argument, list | tuple):
        return type(argument)(filled(item, values) for item in argument)
    return argument


@attrs.frozen(eq=False)
class Local:
    """An operation that yields rows of the output when it is given those of its inputs.

    Args:
        operation: the operation.
        arguments, options: with a `Slot` for each input, and constants.
        heights: of each input; one of a single row is broadcast to all.
        height: of the output.
    """

    operation: Callable[..., torch.Tensor]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    heights: tuple[int, ...]
    height: int
    local: bool = True

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The same rows; all of an input that is broadcast."""
        return [(first, last) if height == self.height else None for height in self.heights]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The operation on these rows."""
        device = inputs[0].device

        def here(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return type(value)(here(item) for item in value)
            if not isinstance(value, torch.Tensor):
                return value
            if value.ndim >= 2 and value.shape[-2] == self.height > 1:
                value = value.narrow(-2, first, last - first)
            return value.to(device) if value.ndim else value

        return self.operation(*(filled(here(item), inputs) for item in self.arguments), **self.options)


@attrs.frozen(eq=False)
class Cut:
    """Rows from `start` on."""

    start: int
    local: bool = False

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """As many rows, further down."""
        return [(self.start + first, self.start + last)]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """These rows as they are."""
        return inputs[0]


@attrs.frozen(eq=False)
class Spread:
    """One row repeated."""

    width: int
    local: bool = False

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """All of it."""
        return [None]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The row `last - first` times."""
        return inputs[0].expand(-1, -1, last - first, self.width)


@attrs.frozen(eq=False)
class Normalise:
    """A norm with mean and variance given for each channel.

    Args:
        weight, bias: of each channel, or None.
        mean, variance: constants; None where they are of the picture: its second input, 2,C.
    """

    weight: torch.Tensor | None
    bias: torch.Tensor | None
    mean: torch.Tensor | None
    variance: torch.Tensor | None
    epsilon: float
    local: bool = True

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """The same rows, and all of the statistics."""
        return [(first, last)] if self.mean is not None else [(first, last), None]

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """(x - mean) / sqrt(variance + epsilon) * weight + bias."""
        x = inputs[0]
        mean, variance = (self.mean, self.variance) if self.mean is not None else inputs[1]
        assert mean is not None and variance is not None
        weight, bias = (None if value is None else value.to(x.device) for value in (self.weight, self.bias))
        return torch.nn.functional.batch_norm(
            x, mean.to(x), variance.to(x), weight, bias, training=False, eps=self.epsilon
        )
