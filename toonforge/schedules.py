"""The core's learning-rate schedules: factors that depend on the step alone."""

from __future__ import annotations

import math

from toonforge.components import Count, Schedule, component, param

__all__ = ["Constant", "LinearDecay", "MultiStep", "Cosine"]


@component
class Constant(Schedule):
    """The optimizer's learning rate throughout."""

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        """Always 1."""
        return 1.0


@component
class LinearDecay(Schedule):
    """Constant until `start`, then down a straight line towards 0 at the end.

    With `start` given in epochs the factor changes once an epoch, as in the original CycleGAN code:
    1 - (epoch + 1 - start) / (epochs - start + 1). With `start` in steps it changes at every step.
    """

    start: Count = param(Count(epochs=100), doc="when the decay begins", source="CycleGAN, appendix 7.1")

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        """1 before `start`, then falling linearly, never below 0."""
        if self.start.epochs is not None:
            step, total = step // steps_per_epoch, math.ceil(total / steps_per_epoch)
            start = round(self.start.epochs)
        else:
            start = self.start.in_steps(steps_per_epoch)
        return max(0.0, 1.0 - max(0, step + 1 - start) / (total - start + 1)) if total >= start else 1.0


@component
class MultiStep(Schedule):
    """Multiplied by `gamma` at each milestone, given as fractions of the run."""

    milestones: tuple[float, ...] = param((0.5, 0.75), doc="fractions of the run", above=0, below=1)
    gamma: float = param(0.1, doc="factor at each milestone", above=0)

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        """`gamma` to the power of how many milestones have passed."""
        return float(self.gamma ** sum(step >= milestone * total for milestone in self.milestones))


@component
class Cosine(Schedule):
    """Half a cosine from 1 down to `floor` (Loshchilov and Hutter, 2017), after a linear warm-up."""

    floor: float = param(0.0, doc="factor at the end", at_least=0, at_most=1)
    warmup: Count = param(Count(steps=0), doc="rises linearly from 0 over this long first")

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        """Rising to 1 over `warmup`, then the cosine."""
        warmup = self.warmup.in_steps(steps_per_epoch)
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * progress))
