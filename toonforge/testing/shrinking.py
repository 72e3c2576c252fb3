"""Recipes made small: tiny networks, made-up pictures, a few steps a phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from toonforge.components import Component, Count, changed
from toonforge.data import Synthetic
from toonforge.recipe.check import check
from toonforge.recipe.model import CheckpointRule, LogRule, MetricsRule, Phase, Recipe, SamplesRule

EPOCH = 1000
"""Steps of an epoch, assumed where phases begin or end at epochs: how many it has hangs on pictures that are not there.

In the order of phases that count in steps and ones that count in epochs it decides; one recipe seldom has both.
"""


def shrink(recipe: Recipe, steps: int = 2) -> Recipe:
    """The recipe with tiny networks over made-up pictures, every phase squeezed into `steps` steps of its own.

    Networks that start from other weights begin as they are initialised.
    """
    groups = recipe.data.groups()
    data = Synthetic(fields={group: tuple(fields) for group, fields in groups.items()}, count=8, image_size=64)

    def small(components: Mapping[str, Component]) -> dict[str, Any]:
        return {name: component.tiny() for name, component in components.items()}

    starts = {phase.from_.in_steps(EPOCH) for phase in recipe.phases.values()}
    ends = {phase.until.in_steps(EPOCH) for phase in recipe.phases.values() if phase.until is not None}
    moments = sorted(starts | ends)

    def moment(count: Count) -> Count:
        return Count(steps=moments.index(count.in_steps(EPOCH)) * steps)

    def squeeze(phase: Phase) -> Phase:
        until = None if phase.until is None else moment(phase.until)
        return changed(phase, from_=moment(phase.from_), until=until, every=1)

    total = (len(moments) + 1) * steps
    train = changed(
        recipe.train,
        steps=total,
        epochs=None,
        batch_size=2 * recipe.train.accumulate,
        processes=1,
        workers=0,
        precision="fp32",
        log=LogRule(every=Count(steps=1)),
        samples=SamplesRule(every=Count(steps=total), count=1),
        metrics=MetricsRule(every=None, best=None, patience=None),
        trackers=(),
        checkpoint=CheckpointRule(every=Count(steps=total), keep=1),
    )
    shrunk = attrs.evolve(
        recipe,
        data=data,
        generators=small(recipe.generators),
        discriminators=small(recipe.discriminators),
        networks=small(recipe.networks),
        phases={name: squeeze(phase) for name, phase in recipe.phases.items()},
        train=train,
        metrics=small(recipe.metrics),
        initial={},  # of networks that are larger
    )
    return check(shrunk)  # what is called with a shrunk network's output fits its channels to that
