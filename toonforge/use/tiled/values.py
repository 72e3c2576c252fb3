"""Where whole values lie: in memory, or in a temporary file that is mapped into it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import IO

import torch

from toonforge.use.tiled.step import Step

ALIGNED = 4096


class Values:
    """The values of steps that are kept.

    Args:
        spilled: put them into files, which are gone once they are closed.
    """

    def __init__(self, spilled: bool) -> None:
        self.spilled = spilled
        self._values: dict[Step, torch.Tensor] = {}
        self._files: dict[Step, IO[bytes]] = {}

    def __getitem__(self, step: Step) -> torch.Tensor:
        return self._values[step]

    def __contains__(self, step: Step) -> bool:
        return step in self._values

    def put(self, step: Step, value: torch.Tensor) -> None:
        """Keep a value that exists."""
        self._values[step] = value

    def make(self, step: Step) -> torch.Tensor:
        """Room for a step's value; what it holds is not defined."""
        if self.spilled and step.bytes >= ALIGNED:
            import numpy as np

            file = self._files[step] = tempfile.TemporaryFile(prefix="toonforge-")  # noqa: SIM115 -- till `drop`
            kind = torch.empty(0, dtype=step.dtype).numpy().dtype
            value = torch.from_numpy(np.memmap(file, kind, "w+", shape=tuple(step.shape)))
        else:
            value = torch.empty(step.shape, dtype=step.dtype)
        self._values[step] = value
        return value

    def replace(self, before: Step, after: Step) -> torch.Tensor:
        """Let a step have the memory of another, which is forgotten."""
        self._values[after] = self._values.pop(before)
        if before in self._files:
            self._files[after] = self._files.pop(before)
        return self._values[after]

    def drop(self, steps: Sequence[Step]) -> None:
        """Forget these."""
        for step in steps:
            self._values.pop(step, None)
            if step in self._files:
                self._files.pop(step).close()

    def close(self) -> None:
        """Forget all."""
        self.drop(list(self._values))
