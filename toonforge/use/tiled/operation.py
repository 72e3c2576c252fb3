"""One operation of a trace, and how it is computed by rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch

from toonforge.use.tiled.rows import Local, Slot
from toonforge.use.tiled.statistics import Statistics
from toonforge.use.tiled.step import Rows, Step

LIGHT = 4.0
"""What a number costs in an operation that multiplies little, counted in multiplications of a convolution."""


@attrs.frozen(eq=False)
class Recognised:
    """How an operation is computed.

    Attributes:
        gathers: statistics of the first input that the rows need, or that are the result where `rows` is None; with
            dtype and shape.
    """

    inputs: tuple[Step, ...]
    rows: Rows | None
    shape: tuple[int, ...]
    dtype: torch.dtype
    work: float = 0.0
    candidate: bool = False
    gathers: tuple[Statistics, torch.dtype, tuple[int, ...]] | None = None


Found = Recognised | Sequence[Recognised] | Step | None
"""How an operation is computed by rows: of one that yields several tensors how each is; a step where nothing changes;
None where all of its inputs are needed."""


@attrs.frozen(eq=False)
class Call:
    """One operation of a trace."""

    function: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    inputs: tuple[Step, ...]
    value: Any

    @property
    def name(self) -> str:
        """Without namespace and overload: "native_group_norm"."""
        return str(self.function).split(".")[1] if "." in str(self.function) else str(self.function)

    @property
    def overload(self) -> str:
        """What follows the name: "default"."""
        return str(self.function).split(".")[-1]

    def of_picture(self) -> bool:
        """Whether the first argument is a value with rows, and no other depends on the picture."""
        return len(self.inputs) == 1 and isinstance(self.arguments[0], Slot) and has_rows(self.inputs[0])

    def argument(self, index: int, otherwise: Any = None) -> Any:
        """The argument at this position, or what stands for it when it was left out."""
        return self.arguments[index] if len(self.arguments) > index else otherwise

    def by(self, rows: Rows, work: float = 0.0, candidate: bool = False) -> Recognised:
        """Computed by `rows`; `work` of one row, that of a light operation when left out."""
        value = self.value[0] if isinstance(self.value, list | tuple) else self.value
        light = LIGHT * value.shape[1] * value.shape[3]
        return Recognised(self.inputs, rows, tuple(value.shape), value.dtype, work or light, candidate)


def has_rows(step: Step) -> bool:
    """Whether it is a picture's value, 1,C,H,W."""
    return step.statistics is None and len(step.shape) == 4 and step.shape[0] == 1


def by_same_rows(call: Call, candidate: bool = False) -> Recognised | None:
    """Row by row, whatever is done along the other dimensions."""
    value = call.value
    if not isinstance(value, torch.Tensor) or value.ndim != 4 or value.shape[0] != 1:
        return None
    height = value.shape[2]
    heights = []
    for step in call.inputs:
        rows = step.shape[-2] if len(step.shape) > 1 else 1
        heights.append(rows if has_rows(step) else 0)
        if rows != 1 and heights[-1] != height:
            return None
    if height not in heights:
        return None
    options = {name: item for name, item in call.options.items() if name not in ("device", "pin_memory", "layout")}
    return call.by(Local(call.function, call.arguments, options, tuple(heights), height), candidate=candidate)
