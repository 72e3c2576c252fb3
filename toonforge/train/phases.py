"""When each phase is active, which optimizer it uses and at which learning rate: functions of the step."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from toonforge.components import Optimizer, Schedule
from toonforge.recipe.model import Phase, Train


@attrs.frozen(kw_only=True)
class PlannedPhase:
    """A phase with its counts turned into steps.

    Attributes:
        owner: whose optimizer state it uses: "train", or "phases.NAME" where it declares an optimizer.
    """

    name: str
    phase: Phase
    updates: frozenset[str]
    start: int
    stop: int
    owner: str
    optimizer: Optimizer
    schedule: Schedule
    steps_per_epoch: int

    def active(self, step: int) -> bool:
        """Whether the phase runs at `step`; the step alone decides."""
        return self.start <= step < self.stop and (step - self.start) % self.phase.every == 0

    def factor(self, step: int) -> float:
        """The schedule's factor at `step`, counted from the phase's `from`."""
        return self.schedule.factor(step - self.start, self.stop - self.start, self.steps_per_epoch)


def plan(phases: Mapping[str, Phase], train: Train, total_steps: int, steps_per_epoch: int) -> list[PlannedPhase]:
    """The phases in the order written, ready to ask which is active."""
    return [
        PlannedPhase(
            name=name,
            phase=phase,
            updates=frozenset(phase.updates),
            start=phase.from_.in_steps(steps_per_epoch),
            stop=total_steps if phase.until is None else phase.until.in_steps(steps_per_epoch),
            owner="train" if phase.optimizer is None else f"phases.{name}",
            optimizer=phase.optimizer or train.optimizer,
            schedule=phase.schedule or train.schedule,
            steps_per_epoch=steps_per_epoch,
        )
        for name, phase in phases.items()
    ]


def total_steps(train: Train, steps_per_epoch: int) -> int:
    """The length of a run in steps."""
    return train.steps if train.steps is not None else max(1, round((train.epochs or 0) * steps_per_epoch))
