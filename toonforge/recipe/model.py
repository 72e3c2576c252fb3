"""A recipe as frozen classes: what the TOML file becomes once it is composed, structured and checked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import attrs

from toonforge.components import (
    APART,
    Component,
    Count,
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Metric,
    NetworkComponent,
    Optimizer,
    OtherNetwork,
    Schedule,
    component,
    param,
)
from toonforge.optimizers import Adam
from toonforge.recipe.expr import Expr
from toonforge.recipe.initial import InitialWeights
from toonforge.schedules import Constant
from toonforge.speed.tricks import TrickName

EMPTY: Mapping[str, Any] = MappingProxyType({})


@component
class Term(Component):
    """One loss of a phase and its weight in the phase's sum."""

    loss: Loss = param(doc="the loss component")
    weight: float = param(1.0, doc="factor in the phase's sum; 0 leaves the loss out of the computation")


@component
class Phase(Component):
    """Networks that are updated together by one backward pass over a weighted sum of losses."""

    updates: tuple[str, ...] = param(doc="names of the networks that this phase trains")
    losses: Mapping[str, Term] = param(doc="losses by name, summed in the order written")
    optimizer: Optimizer | None = param(None, doc="own optimizer, with state of its own; [train]'s when left out")
    schedule: Schedule | None = param(None, doc="own schedule; [train]'s when left out")
    from_: Count = param(Count(steps=0), doc="first step (or epoch) at which the phase is active", key="from")
    until: Count | None = param(None, doc="first step (or epoch) at which it no longer is; the run's end if left out")
    every: int = param(1, doc="active at every n-th step from `from` on", unit="steps", at_least=1)


@component
class CheckpointRule(Component):
    """When checkpoints are written and how many are kept."""

    every: Count = param(Count(steps=500), doc="interval; one is always written at the end", above=0)
    keep: int = param(3, doc="how many of the newest are kept", at_least=1)


@component
class SamplesRule(Component):
    """When the validation grid is drawn."""

    every: Count = param(Count(steps=500), doc="interval; one is always drawn at the end", above=0)
    count: int = param(8, doc="how many validation pictures", unit="pictures", at_least=1)


@component
class MetricsRule(Component):
    """When the metrics are measured, besides the end of the run."""

    every: Count | None = param(None, doc="interval; only at the end when left out", above=0)
    best: str | None = param(
        None, doc='the metric ("kid", or a part of one: "weighted_fid.target") whose best checkpoint is kept'
    )
    patience: int | None = param(
        None, doc="end the training after so many measurements without a better one", unit="measurements", at_least=1
    )


@component
class LogRule(Component):
    """When losses are read from the device, shown and written to metrics.jsonl."""

    every: Count = param(Count(steps=10), doc="interval; the first and the last step are always logged", above=0)


RULES = (CheckpointRule, SamplesRule, MetricsRule, LogRule)
"""Tables of [train] that say when something is done: `every`."""


@component
class Train(Component):
    """How long, in which batches and by which optimizer."""

    steps: int | None = param(None, doc="how many steps; give this or `epochs`", unit="steps", at_least=1)
    epochs: float | None = param(None, doc="how many epochs; give this or `steps`", unit="epochs", above=0)
    batch_size: int = param(
        1, doc="pictures a step, over all processes and accumulated parts", unit="pictures", at_least=1
    )
    seed: int = param(0, doc="of initial weights, data order, augmentation and noise", at_least=0, at_most=2**53)
    precision: Literal["fp32", "bf16", "fp64"] = param(
        "fp32", doc='number format of the computation: "bf16" runs under autocast, "fp64" is for tests of equality'
    )
    speed: Literal["auto", "safe"] | tuple[TrickName, ...] = param(
        "auto",
        doc='how steps are computed, with the same mathematics: "auto" takes every trick that pays, "safe" none, and '
        "an array of tricks those",
    )
    recompute: tuple[str, ...] = param(
        (),
        doc="networks whose activations are computed again in the backward pass instead of being kept: less memory for "
        "a third to a half more time, at high resolution; batch norm and spectral norm are refused when the run begins",
    )
    accumulate: int = param(1, doc="cut each batch into this many parts, to save memory", unit="parts", at_least=1)
    ema: float | None = param(
        None,
        doc="decay of the exponential moving average of generators, and of encoders and decoders that phases train and "
        "translations call; used in samples and translation",
        above=0,
        below=1,
    )
    clip: float | None = param(
        None, doc="largest norm of a phase's gradient over all it updates; larger ones are scaled down", above=0
    )
    optimizer: Optimizer = param(Adam, doc="of every phase that declares none")
    schedule: Schedule = param(Constant, doc="factor of the learning rate over time")
    processes: int = param(1, doc="how many processes (one a GPU)", at_least=1)
    workers: int = param(0, doc="background processes that load pictures; 0 loads in the training process", at_least=0)
    log: LogRule = param(LogRule, doc="when losses are logged")
    checkpoint: CheckpointRule = param(CheckpointRule, doc="when checkpoints are written")
    samples: SamplesRule = param(SamplesRule, doc="when the validation grid is drawn")
    metrics: MetricsRule = param(MetricsRule, doc="when the metrics are measured")
    trackers: tuple[str, ...] = param(
        (), doc='also log to these: "tensorboard", "wandb" and the other trackers that Accelerate knows'
    )


@attrs.frozen(kw_only=True)
class Recipe:
    """A whole recipe. Networks are completed with what could be inferred from the data (channel counts).

    Attributes:
        name: names the run's folder.
        data: the data set.
        generators, discriminators, networks: configs by the name that expressions call.
        signals: expressions evaluated once a step and shared by the phases.
        phases: in the order they run.
        train: lengths, batches, optimizer.
        translations: what a trained run offers: domain -> expression of one data field.
        metrics: measured over the validation pictures.
        initial: network -> where its first weights come from; of others they are drawn from the seed.
    """

    name: str
    data: Dataset
    generators: Mapping[str, Generator] = EMPTY
    discriminators: Mapping[str, Discriminator] = EMPTY
    networks: Mapping[str, OtherNetwork] = EMPTY
    signals: Mapping[str, Expr] = EMPTY
    phases: Mapping[str, Phase] = EMPTY
    train: Train
    translations: Mapping[str, Expr] = EMPTY
    metrics: Mapping[str, Metric] = EMPTY
    initial: Mapping[str, InitialWeights] = attrs.field(default=EMPTY, metadata={APART: True})

    @property
    def modules(self) -> dict[str, NetworkComponent]:
        """Every network of the recipe by name, generators first."""
        return {**self.generators, **self.discriminators, **self.networks}
