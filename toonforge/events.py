"""What a run tells the plugins that listen to it: plain data, no tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

__all__ = ["RunInfo", "Step", "Checkpoint", "Measured", "About", "Warned", "Best", "Finished", "UNTRANSLATED", "FILTER"]

UNTRANSLATED, FILTER = "untranslated", "filter"
"""Parts of a metric's results that its headline has to beat: the same number of the pictures before the translation,
and of a plain picture filter in its place."""


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
        speed: which tricks it computes with, in words.
        notes: what the user should know of how it begins: what a resume changed, which checkpoints are damaged.
        idle: there is no step to train: all are done, or patience was at its end already.
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
    speed: str = ""
    notes: tuple[str, ...] = ()
    idle: bool = False


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
        data: share of the time since the last logged step, 0 to 1, in which the device waited for pictures; of a GPU
            at most so much. Of the main process.
    """

    step: int
    losses: Mapping[str, float]
    totals: Mapping[str, float]
    images_per_second: float
    memory: int
    lr: Mapping[str, float]
    data: float = 0.0


@attrs.frozen(kw_only=True)
class Checkpoint:
    """A checkpoint that is whole on disk."""

    step: int
    folder: Path


@attrs.frozen(kw_only=True)
class About:
    """How a metric's numbers were made: stands beside them wherever they are shown.

    Attributes:
        better: "lower" or "higher"; None for a number that describes without judging.
        protocol: one line: formula, extractor and the hash of its weights, resize; how many pictures of which part,
            how they are read, and which weights the networks had (moving average or as trained).
        pictures: the metric's `Expr` field -> how many pictures arrived.
        cautions: what must be said of a number made so, in plain words.
    """

    better: str | None
    protocol: str
    pictures: Mapping[str, int]
    cautions: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Measured:
    """The metrics at one step, over the whole validation part.

    Attributes:
        step: steps done.
        metrics: metric name -> its results; the key "" is its headline, "untranslated" and "filter" are what the
            headline is for the untranslated pictures and for a plain picture filter in the place of the translation;
            "std", "untranslated_std" and "filter_std" are their standard errors.
        about: metric name -> how its numbers were made.
        pictures: metric name -> the picture it drew, for those that draw one.
        complete: False where pictures are missing with which nothing is known to be wrong: a disk or network failed.
    """

    step: int
    metrics: Mapping[str, Mapping[str, float]]
    about: Mapping[str, About]
    pictures: Mapping[str, Path] = attrs.field(factory=dict)
    complete: bool = True


@attrs.frozen(kw_only=True)
class Warned:
    """Something in the training that begins to look wrong.

    Attributes:
        step: steps done when it was seen.
        kind: "not-finite", "exploding", "discriminator-won", "unchanged", "one-colour", "same-output", "inverted",
            "saturated", "not-beaten" or "not-recorded".
        about: the loss, phase, network, translation or metric it is about.
        message: what was seen, in plain words and with its numbers.
        hint: what usually helps.
    """

    step: int
    kind: str
    about: str
    message: str
    hint: str


@attrs.frozen(kw_only=True)
class Best:
    """The best value so far of the metric that `train.metrics.best` names.

    Attributes:
        metric: "metric" or "metric.part".
        step: when it was measured; a checkpoint of that step is kept.
    """

    metric: str
    value: float
    step: int


@attrs.frozen(kw_only=True)
class Finished:
    """How a run ended.

    Attributes:
        step: steps done.
        reason: "done", "interrupted", "no-improvement" (`train.metrics.patience` was at its end), or "failed": then
            the error follows that says why.
        metrics: metric name -> its results.
        about: metric name -> how its numbers were made.
        pictures: metric name -> the picture it drew, for those that draw one.
        grid: the validation grid of this step, if one was drawn.
        best: the best measurement, where the recipe asks for one to be kept.
        warnings: what began to look wrong during this start and still does at its end, in the order seen.
        skipped: unreadable pictures: path -> reason.
        retried: pictures that were read at a later try -> how often that was so in this start.
        waited: seconds of this start's long waits (30 and more each) for pictures to be read.
        seconds: wall time of this start.
    """

    step: int
    reason: str
    metrics: Mapping[str, Mapping[str, float]]
    about: Mapping[str, About] = attrs.field(factory=dict)
    pictures: Mapping[str, Path] = attrs.field(factory=dict)
    grid: Path | None
    best: Best | None = None
    warnings: tuple[Warned, ...] = ()
    skipped: Mapping[str, str]
    retried: Mapping[str, int] = attrs.field(factory=dict)
    waited: float = 0.0
    seconds: float
