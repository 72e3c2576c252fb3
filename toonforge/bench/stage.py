"""Which steps of a training are measured: those of one stage, in which the same phases are active."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import attrs

from toonforge.train.phases import PlannedPhase

LONGEST = 60
"""Steps of a cycle that a turn is made to hold whole; rarer phases fall into some turns and not into others."""


@attrs.frozen(kw_only=True)
class Stage:
    """Steps with the same phases.

    Attributes:
        first: the first of them that is measured.
        count: how many there are from it on.
        phases: those that are active in it, if not at every step.
        cycle: after so many steps the pattern of phases repeats.
    """

    first: int
    count: int
    phases: tuple[str, ...]
    cycle: int = 1

    def step(self, number: int) -> int:
        """The training's step for the `number`-th that is measured: beyond the stage's end it begins anew."""
        whole = self.count // self.cycle * self.cycle or self.count
        return self.first + number % whole

    def rounded(self, steps: int) -> int:
        """At least so many steps, and whole cycles where these are not too long."""
        return math.ceil(steps / self.cycle) * self.cycle if self.cycle <= LONGEST else steps


def stages(phases: Sequence[PlannedPhase], total: int) -> list[Stage]:
    """The stages of a training of `total` steps, in order; those without any active phase are left out."""
    ends = {0, total} | {min(edge, total) for phase in phases for edge in (phase.start, phase.stop)}
    edges = sorted(ends)
    found = []
    for first, stop in itertools.pairwise(edges):
        active = [phase for phase in phases if phase.start <= first < phase.stop]
        if active:
            cycle = math.lcm(*(phase.phase.every for phase in active))
            names = tuple(phase.name for phase in active)
            found.append(Stage(first=first, count=stop - first, phases=names, cycle=cycle))
    return found


def stage_of(phases: Sequence[PlannedPhase], total: int, at: int | None = None) -> Stage | None:
    """The stage that holds step `at`, from there on; or that of most steps, of two alike the later one.

    None where there is no such step, or nothing is trained in it.
    """
    found = stages(phases, total)
    if at is None:
        return max(reversed(found), key=lambda stage: stage.count, default=None)
    for stage in found:
        if stage.first <= at < stage.first + stage.count:
            return attrs.evolve(stage, first=at, count=stage.first + stage.count - at)
    return None
