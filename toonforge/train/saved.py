"""What of a run goes into a checkpoint, and its file formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from torch import nn
from torch.optim import Optimizer

from toonforge.train.state import Average, Memory, Optimizers


@attrs.frozen(kw_only=True)
class Saved:
    """What a checkpoint saves and restores, besides the step.

    Attributes:
        networks: the bare modules by name.
        metadata: network name -> what makes its weights describe themselves (JSON-able).
        average: the moving averages, if the run keeps them.
        optimizers: every optimizer of the run.
        memory: ops and losses that remember; theirs is saved per process.
        run: by what the run is known (JSON-able): a checkpoint of another one is not loaded.
    """

    networks: Mapping[str, nn.Module]
    metadata: Mapping[str, Mapping[str, Any]]
    average: Average | None
    optimizers: Optimizers
    memory: Memory
    run: Mapping[str, Any]

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The networks and their averages by the stem of their file."""
        averages = self.average.networks if self.average is not None else {}
        return {**self.networks, **{f"{name}.ema": network for name, network in averages.items()}}

    @property
    def optimizer_files(self) -> dict[str, Optimizer]:
        """The optimizers by the name of their file."""
        return {
            f"optimizer.{owner}.{name}.safetensors": optimizer
            for (owner, name), optimizer in self.optimizers.by_key.items()
        }

    @property
    def shared_files(self) -> list[str]:
        """The files that are the same for all processes."""
        return [*(f"{stem}.safetensors" for stem in self.modules), *self.optimizer_files]
