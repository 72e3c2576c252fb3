"""A network computed strip by strip: the same result as of the picture whole, in bounded memory, without seams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from toonforge.use.tiled.network import Steps
from toonforge.use.tiled.plan import Action, Plan, rows_needed
from toonforge.use.tiled.step import Range, Step
from toonforge.use.tiled.values import Values
from toonforge.use.tiled.watch import Watch


def computed(
    steps: Steps, plan: Plan, pictures: Sequence[torch.Tensor], device: torch.device, watch: Watch | None = None
) -> torch.Tensor:
    """Follow a plan.

    Args:
        pictures: 1,C,H,W each, on the CPU, as the steps' pictures are.
        device: where strips are computed.
        watch: told of each strip, and of each value that is computed whole.

    Returns:
        1,C,H,W on the CPU.
    """
    watch = watch or Watch()
    watch.begin(sum(map(_parts, plan.actions)))
    run = _Run(steps, plan, device, watch)
    try:
        for step, picture in zip(steps.pictures, pictures):
            run.values.put(step, picture)
        for action in plan.actions:
            run.act(action)
        return run.values[steps.output]
    finally:
        run.values.close()


class _Run:
    """One computation."""

    def __init__(self, steps: Steps, plan: Plan, device: torch.device, watch: Watch) -> None:
        self.steps, self.device, self.watch = steps, device, watch
        self.values = Values(plan.spilled)
        self.small: dict[Step, torch.Tensor] = {}
        """Statistics, on the device."""

    def act(self, action: Action) -> None:
        """Compute one value and forget what is read no more."""
        step = action.target
        if step.run is not None and step not in self.values:
            self.watch.before()
            self.values.put(step, step.run(*map(self._whole, step.inputs)))
            self.watch.after()
        if _is_swept(action):
            self._sweep(action)
        self.values.drop([gone for gone in action.ends if gone is not action.replaces])

    def _whole(self, step: Step) -> Any:
        return self.small[step].cpu() if step in self.small else self.values[step]

    def _room(self, action: Action) -> torch.Tensor | None:
        """Where the target goes; a value that it replaces stays readable under its own name till the sweep ends."""
        if not action.kept or action.target in self.values:
            return None
        if action.replaces is not None:
            return self.values[action.replaces]
        if action.target is self.steps.output:
            return torch.empty(action.target.shape, dtype=action.target.dtype)
        return self.values.make(action.target)

    def _sweep(self, action: Action) -> None:
        step = action.target
        gatherings = [(item, item.statistics.begin()) for item in action.gathers]
        room = self._room(action)
        for first in range(0, step.height, action.rows):
            self.watch.before()
            last = min(first + action.rows, step.height)
            strip = self._strip(action, first, last)
            for _, gathering in gatherings:
                gathering.add(strip)
            if room is not None:
                room[:, :, first:last].copy_(strip)
            self.watch.after()
        for item, gathering in gatherings:
            self.small[item] = gathering.value(item.dtype).to(self.device)
        if action.replaces is not None:
            self.values.replace(action.replaces, step)
        elif room is not None and step is self.steps.output:
            self.values.put(step, room)

    def _strip(self, action: Action, first: int, last: int) -> torch.Tensor:
        """Rows [first, last) of the target, on the device."""
        if not action.passing:
            return self.values[action.target][:, :, first:last].to(self.device)
        ranges = rows_needed(action.passing, first, last)
        have: dict[Step, tuple[int, torch.Tensor]] = {
            source: (start, self.values[source][:, :, start:end].to(self.device))
            for source, (start, end) in _sources(action, ranges).items()
        }
        last_read = {source: index for index, step in enumerate(action.passing) for source in step.inputs}
        for index, step in enumerate(action.passing):
            inputs = [
                self._given(source, needed, have) for source, needed in zip(step.inputs, step.needs(*ranges[step]))
            ]
            assert step.rows is not None
            have[step] = (ranges[step][0], step.rows.compute(*ranges[step], inputs))
            for source in step.inputs:
                if last_read[source] == index:
                    have.pop(source, None)
        return have[action.target][1]

    def _given(self, step: Step, needed: Range | None, have: Mapping[Step, tuple[int, torch.Tensor]]) -> torch.Tensor:
        if step in self.small:
            return self.small[step]
        if step not in have:  # a small value that has no rows
            return self.values[step].to(self.device)
        start, rows = have[step]
        if needed is None:
            return rows
        return rows.narrow(2, needed[0] - start, needed[1] - needed[0])


def _is_swept(action: Action) -> bool:
    return bool(action.passing or action.gathers)


def _parts(action: Action) -> int:
    """Strips, and one more where it is computed whole."""
    strips = -(-action.target.height // action.rows) if _is_swept(action) else 0
    return strips + (action.target.run is not None)


def _sources(action: Action, ranges: Mapping[Step, Range]) -> Mapping[Step, Range]:
    return {source: ranges[source] for source in action.sources if source in ranges}
