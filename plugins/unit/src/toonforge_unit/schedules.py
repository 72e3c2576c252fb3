"""The schedule of UNIT's configs: the learning rate is halved every so many steps."""

from __future__ import annotations

from toonforge.components import Count, Schedule, component, param

CONFIGS = "UNIT code, configs/unit_*.yaml"


@component
class Step(Schedule):
    """The learning rate is multiplied by `gamma` after every `every` steps (or epochs), again and again."""

    every: Count = param(Count(steps=100_000), doc="how long each rate is kept", source=CONFIGS)
    gamma: float = param(0.5, doc="factor each time", above=0, source=CONFIGS)

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        """`gamma` to the power of how many times `every` has passed."""
        return float(self.gamma ** (step // max(1, self.every.in_steps(steps_per_epoch))))
