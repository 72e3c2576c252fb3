"""What a run tells the plugins that listen to it: plain data, no tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class RunInfo:
    """A run as its listeners see it.

    Attributes:
        name: the recipe's name.
        folder: where everything of the run lies.
        first_step: the step it begins at: 0, or the checkpoint's step when resumed.
        total_steps: the step it ends at.
        steps_per_epoch: how many steps make an epoch of the data set.
        phases: phase names in order.
        parameters: network name -> how many parameters it has.
        device: "cpu", "cuda:0", …
        processes: how many.
        notes: what the user should know of how it begins: what a resume changed, which checkpoints are damaged.
    """

    name: str
    folder: Path
    first_step: int
    total_steps: int
    steps_per_epoch: int
    phases: tuple[str, ...]
    parameters: Mapping[str, int]
    device: str
    processes: int
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Step:
    """One logged step.

    Attributes:
        step: how many steps are done, this one included.
        losses: "phase.loss" -> its unweighted value at this step.
        totals: phase -> weighted sum.
        images_per_second: pictures of one batch field, over all processes, since the last logged step.
        memory: peak bytes: of the device, or of the process on a CPU.
        lr: phase -> learning rate used.
    """

    step: int
    losses: Mapping[str, float]
    totals: Mapping[str, float]
    images_per_second: float
    memory: int
    lr: Mapping[str, float]


@attrs.frozen(kw_only=True)
class Checkpoint:
    """A checkpoint that is whole on disk."""

    step: int
    folder: Path


@attrs.frozen(kw_only=True)
class Measured:
    """The metrics at one step, over the whole validation part.

    Attributes:
        step: steps done.
        metrics: metric name -> its results; the key "" is its headline.
        pictures: metric name -> the picture it drew, for those that draw one.
    """

    step: int
    metrics: Mapping[str, Mapping[str, float]]
    pictures: Mapping[str, Path]


@attrs.frozen(kw_only=True)
class Finished:
    """How a run ended.

    Attributes:
        step: steps done.
        reason: "done" or "interrupted".
        metrics: metric name -> its results.
        pictures: metric name -> the picture it drew, for those that draw one.
        grid: the last validation grid, if one was drawn.
        skipped: unreadable pictures: path -> reason.
        seconds: wall time of this start.
    """

    step: int
    reason: str
    metrics: Mapping[str, Mapping[str, float]]
    pictures: Mapping[str, Path] = attrs.field(factory=dict)
    grid: Path | None
    skipped: Mapping[str, str]
    seconds: float
