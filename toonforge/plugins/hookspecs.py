"""The hooks a plugin may implement. A plugin module is torch-free and returns plain mappings.

A plugin is a module (or object) named by an entry point of the group `toonforge`; the entry point's name is the
namespace of everything it supplies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from toonforge.components import (
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Metric,
    Op,
    Optimizer,
    OtherNetwork,
    Schedule,
)

if TYPE_CHECKING:
    from toonforge.events import Best, Checkpoint, Finished, Measured, RunInfo, Step, Warned

__all__ = [
    "hookimpl",
    "toonforge_generators",
    "toonforge_discriminators",
    "toonforge_networks",
    "toonforge_losses",
    "toonforge_datasets",
    "toonforge_metrics",
    "toonforge_ops",
    "toonforge_optimizers",
    "toonforge_schedules",
    "toonforge_recipes",
    "toonforge_models",
    "toonforge_commands",
    "run_started",
    "step_finished",
    "run_paused",
    "checkpoint_saved",
    "metrics_measured",
    "grid_drawn",
    "warned",
    "warning_over",
    "best_improved",
    "run_finished",
]

hookspec = pluggy.HookspecMarker("toonforge")
hookimpl = pluggy.HookimplMarker("toonforge")


@hookspec
def toonforge_generators() -> Mapping[str, type[Generator]]:
    """Generators by name: `return {"resnet": Resnet}` gives `namespace/resnet`."""
    return {}


@hookspec
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    """Discriminators by name."""
    return {}


@hookspec
def toonforge_networks() -> Mapping[str, type[OtherNetwork]]:
    """Other modules for a recipe's `[networks]` by name: feature networks, encoders."""
    return {}


@hookspec
def toonforge_losses() -> Mapping[str, type[Loss]]:
    """Losses by name."""
    return {}


@hookspec
def toonforge_datasets() -> Mapping[str, type[Dataset]]:
    """Data sets by name."""
    return {}


@hookspec
def toonforge_metrics() -> Mapping[str, type[Metric]]:
    """Metrics by name."""
    return {}


@hookspec
def toonforge_ops() -> Mapping[str, type[Op]]:
    """Functions that expressions may call, by name."""
    return {}


@hookspec
def toonforge_optimizers() -> Mapping[str, type[Optimizer]]:
    """Optimizers by name."""
    return {}


@hookspec
def toonforge_schedules() -> Mapping[str, type[Schedule]]:
    """Learning-rate schedules by name."""
    return {}


@hookspec
def toonforge_recipes() -> Mapping[str, Path]:
    """Packaged recipe files by name; `extends = "namespace/name"` and `toonforge cp` take them."""
    return {}


@hookspec
def toonforge_models() -> Mapping[str, Path]:
    """Trained models by name, each one model file; `toonforge translate namespace/name` takes them.

    Where no other installed model is called so, the name alone is enough.
    """
    return {}


@hookspec
def toonforge_commands() -> Mapping[str, Any]:
    """Extra verbs of the command line: click commands by name."""
    return {}


@hookspec
def run_started(run: RunInfo) -> None:
    """A run begins or resumes; called on the main process, before the first step."""


@hookspec
def step_finished(run: RunInfo, step: Step) -> None:
    """A step was logged (the first, each `train.log.every`-th, the last): its losses, speed and memory as numbers."""


@hookspec
def run_paused(run: RunInfo, step: int, what: str) -> None:
    """After this step comes something that may take longer than a step: "drawing" or "measuring"."""


@hookspec
def checkpoint_saved(run: RunInfo, checkpoint: Checkpoint) -> None:
    """A whole checkpoint is on disk."""


@hookspec
def metrics_measured(run: RunInfo, measured: Measured) -> None:
    """The metrics were measured: every `train.metrics.every`, and at the end of the run."""


@hookspec
def grid_drawn(run: RunInfo, step: int, grid: Path) -> None:
    """The validation grid of a step was drawn: every `train.samples.every`, and at the end of the run."""


@hookspec
def warned(run: RunInfo, warning: Warned) -> None:
    """Something in the training begins to look wrong: said once, when it begins."""


@hookspec
def warning_over(run: RunInfo, step: int, kind: str, about: str) -> None:
    """A warning no longer holds; `kind` and `about` are the warning's, `step` is when that was seen."""


@hookspec
def best_improved(run: RunInfo, best: Best) -> None:
    """The metric that `train.metrics.best` names is better than ever; the checkpoint of that step is on disk."""


@hookspec
def run_finished(run: RunInfo, finished: Finished) -> None:
    """The run ended or failed: its metrics, and why it stopped."""
