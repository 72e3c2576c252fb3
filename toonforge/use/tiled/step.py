"""One step of a network whose picture is computed in parts: what it reads, and which rows of it for which rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs
import torch

Range = tuple[int, int]
"""Rows from the first up to, but not with, the last."""


class NotInParts(Exception):
    """The network cannot be computed in parts exactly; the text says why."""


class Rows(Protocol):
    """How some rows of a step's output come from some rows of its inputs."""

    @property
    def local(self) -> bool:
        """Whether a row is made of the same row of every input alone."""

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """Of each input the rows that output rows [first, last) are made of; None for all of a small value."""

    def compute(self, first: int, last: int, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Output rows [first, last), given exactly the rows that `needs` names; changes no input."""


@attrs.define(eq=False)
class Step:
    """A value of the network, of one picture.

    Attributes:
        name: in the trace.
        inputs: the steps that it reads, whose values depend on the picture.
        shape: 1,C,H,W where it is computed by rows.
        bytes: of the whole value.
        rows: how it is computed by rows, or None.
        run: how it is computed of whole inputs, where not by rows.
        statistics: of the picture's places, gathered while its input passes by; see `statistics.py`.
        work: multiplications of one output row, roughly.
        candidate: whether keeping its whole value may save much work.
    """

    name: str
    inputs: tuple[Step, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    bytes: int
    rows: Rows | None = None
    run: Callable[..., Any] | None = None
    statistics: Any = None
    work: float = 0.0
    candidate: bool = False

    @property
    def height(self) -> int:
        """Rows of a value that has them."""
        return self.shape[2]

    def needs(self, first: int, last: int) -> Sequence[Range | None]:
        """See `Rows.needs`."""
        assert self.rows is not None
        return self.rows.needs(first, last)
