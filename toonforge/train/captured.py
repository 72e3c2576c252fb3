"""Steps whose gradients are recorded once and then replayed whole: a phase costs one launch in place of hundreds.

The first steps of each kind (of the same phases and shapes) are computed as written, then one is recorded phase by
phase, and all later ones replay it on their own pictures. Optimizers stay outside of the recordings, so that any will
do and a schedule's rates are plain numbers. So does what draws: pools and noise are drawn from as always, and the
recording reads what they gave. One call of a phase may draw while it is replayed (dropout), from the seed that it has
as written. What cannot be had so is computed as written, and `reasons` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import torch
from torch import Tensor

from toonforge.memory import is_out_of_memory
from toonforge.speed.capture import Recorder, cannot_record
from toonforge.train.drawing import Calls, Seed, drawing_ops, several, undrawable
from toonforge.train.graph import Compiled, Part
from toonforge.train.phases import PlannedPhase

if TYPE_CHECKING:
    from toonforge.train.step import Training

WARM_UP = 3
"""Steps of a kind before it is recorded: kernels are chosen and optimizers' averages made meanwhile."""
MOST_KINDS = 8
"""Each recording keeps memory. Phases that alternate make a handful of kinds; more are computed as written."""

Kind = tuple[Any, ...]


@attrs.frozen
class Draw:
    """An expression that is drawn outside of the recording, and the memory from which the recording reads it."""

    part: Part
    node: Compiled
    into: Tensor


@attrs.frozen
class RecordedPhase:
    """A phase's gradients, on paper.

    Attributes:
        seeds: of the call that draws while it is replayed, if there is one.
        gradients: (parameter, where replaying puts its gradient; None where nothing reaches it).
        row: the losses, the total, and whether all is finite; where replaying puts them.
    """

    replay: Callable[[], None]
    draws: Sequence[Draw]
    seeds: Sequence[Seed]
    gradients: Sequence[tuple[Tensor, Tensor | None]]
    losses: Sequence[str]
    totals: Sequence[str]
    row: Tensor


@attrs.define
class Step:
    """What is known of one kind of step.

    Attributes:
        kind: its phases and shapes.
        seen: how often it was computed as written.
        drawing: phase -> calls that draw as they are computed.
        parts: of the recording: its pictures' memory, and what was computed from them.
    """

    kind: Kind
    seen: int = 0
    drawing: Mapping[str, tuple[Seed, ...]] = attrs.field(factory=dict)
    parts: Sequence[Part] = ()
    phases: Sequence[RecordedPhase] = ()


class CapturedSteps:
    """The steps of a training, recorded and replayed.

    Attributes:
        reasons: why steps are computed as written, by the phases of their kind.
    """

    def __init__(self, training: Training, recorder: Recorder, warm_up: int = WARM_UP) -> None:
        self.training, self.recorder, self.warm_up = training, recorder, warm_up
        self.reasons: dict[str, str] = {}
        self._refused: set[str] = set()
        self._steps: dict[Kind, Step] = {}
        self._told: set[str] = set()

    def untold(self) -> list[tuple[str, str]]:
        """(phases, why their steps are computed as written), each once."""
        news = [(phases, reason) for phases, reason in self.reasons.items() if phases not in self._told]
        self._told |= self.reasons.keys()
        return news

    def run(self, active: Sequence[PlannedPhase], fields: Sequence[Mapping[str, Tensor]]) -> None:
        """One step of the active phases over the parts of a batch, pictures in [-1, 1]."""
        if not active:
            return
        kind = _kind(active, fields)
        with self.recorder.apart():
            step = self._steps.get(kind)
            if step is None and len(self._steps) < MOST_KINDS:
                step = self._steps[kind] = Step(kind)
            if step is None:
                # The recorded ones of these phases are replayed on.
                self.reasons.setdefault(_named(active), f"more than {MOST_KINDS} kinds of steps")
            if step is None or _named(active) in self._refused:
                self.training.run_phases(active, _parts(fields))
            elif step.phases:
                self._replay(step, active, fields)
            elif step.seen < self.warm_up:
                self._watch(step, active, fields)
            else:
                self._record(step, active, fields)

    # -- as written ------------------------------------------------------------------------------------------------

    def _watch(self, step: Step, active: Sequence[PlannedPhase], fields: Sequence[Mapping[str, Tensor]]) -> None:
        """Compute a step as written; in the last one before recording, see which calls draw."""
        step.seen += 1
        if step.seen < self.warm_up:
            self.training.run_phases(active, _parts(fields))
            return
        ops = {node.text for phase in active for node in self._ops(phase)}
        calls = Calls(self.recorder, ops)
        as_written = self.training.seeding

        def seed_and_watch(part: int, text: str) -> None:
            calls.close()
            as_written(part, text)
            calls.begin(part, text)

        parts = _parts(fields)
        with self._seeding(seed_and_watch):
            for index, phase in enumerate(active):
                self.training.clear_gradients(phase)
                self.training.set_rate(phase)
                with calls.of(phase.name):
                    self.training.gradients(phase, parts, active[index + 1 :])
                self.training.update(phase)
        losses = {phase.name: self.training.losses_of(phase) for phase in active}
        step.drawing = {phase.name: calls.drew(phase.name) for phase in active}
        remembering = [
            f"the loss {loss} of phases.{phase} may remember what it saw"
            for phase, found in losses.items()
            for loss in found
            if f"phases.{phase}.losses.{loss}" in self.training.memory.parts
        ]
        # A checkpoint reads the device's random state, which cannot be done while it is recorded.
        recomputed = self.training.recipe.train.recompute
        again = [f"{name} is computed again in backward passes (train.recompute)" for name in recomputed]
        for reason in (
            *again,
            *calls.looked,
            *calls.once(),
            *several(step.drawing),
            *remembering,
            *undrawable(active, losses, self.training.compiler.signals),
        ):
            self._refuse(active, reason)

    def _refuse(self, active: Sequence[PlannedPhase], reason: str) -> None:
        self._refused.add(_named(active))
        self.reasons.setdefault(_named(active), reason)

    @contextmanager
    def _seeding(self, seed: Callable[[int, str], None]) -> Iterator[None]:
        before = self.training.seeding
        self.training.seeding = seed
        try:
            yield
        finally:
            self.training.seeding = before

    # -- recording -------------------------------------------------------------------------------------------------

    def _record(self, step: Step, active: Sequence[PlannedPhase], fields: Sequence[Mapping[str, Tensor]]) -> None:
        """Record each phase and do at once what was recorded."""
        parts = [Part({key: value.clone() for key, value in given.items()}, i) for i, given in enumerate(fields)]
        phases: list[RecordedPhase] = []
        for index, phase in enumerate(active):
            try:
                recorded = self._record_phase(step, phase, active[index + 1 :], parts)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                raise cannot_record(phase.name, error) from error
            phases.append(recorded)
            self._finish(phase, recorded)
        step.parts, step.phases = parts, phases

    def _record_phase(
        self, step: Step, phase: PlannedPhase, later: Sequence[PlannedPhase], parts: Sequence[Part]
    ) -> RecordedPhase:
        training = self.training
        draws = [Draw(part, node, self._outside(node, part)) for part in parts for node in self._draws(phase, part)]
        held = training.losses, training.totals, training.finite
        rows: list[Tensor] = []

        def work() -> None:
            training.finite = torch.ones((), dtype=torch.bool, device=training.device)
            training.gradients(phase, parts, later)
            values = [*training.losses.values(), *training.totals.values(), training.finite]
            wide = torch.float64 if any(value.dtype == torch.float64 for value in values) else torch.float32
            rows.append(torch.stack([value.detach().to(wide) for value in values]))

        training.clear_gradients(phase)
        training.losses, training.totals = {}, {}
        try:
            with self._seeding(_no_seed):
                replay = self.recorder.record(work, step.kind)
            losses, totals = tuple(training.losses), tuple(training.totals)
        finally:
            training.losses, training.totals, training.finite = held
        parameters = [p for name in phase.phase.updates for p in training.networks[name].parameters()]
        gradients = [(parameter, parameter.grad) for parameter in parameters]
        return RecordedPhase(replay, draws, step.drawing[phase.name], gradients, losses, totals, rows[0])

    # -- replaying -------------------------------------------------------------------------------------------------

    def _replay(self, step: Step, active: Sequence[PlannedPhase], fields: Sequence[Mapping[str, Tensor]]) -> None:
        for part, given in zip(step.parts, fields, strict=True):
            for key, memory in part.fields.items():
                memory.copy_(given[key])
        for phase, recorded in zip(active, step.phases, strict=True):
            for draw in recorded.draws:
                draw.into.copy_(self._drawn(draw.node, draw.part))
            self._finish(phase, recorded)

    def _finish(self, phase: PlannedPhase, recorded: RecordedPhase) -> None:
        """Do what was recorded of a phase, and update its networks."""
        training = self.training
        for seed in recorded.seeds:
            training.seeding(*seed)
        recorded.replay()
        row = recorded.row.clone()  # the next step writes over it
        names = len(recorded.losses)
        training.losses.update(zip(recorded.losses, row[:names].unbind(), strict=True))
        training.totals.update(zip(recorded.totals, row[names:-1].unbind(), strict=True))
        training.finite = training.finite & (row[-1] == 1)
        for parameter, gradient in recorded.gradients:
            parameter.grad = gradient
        training.set_rate(phase)
        training.update(phase)

    # -- what is drawn outside -------------------------------------------------------------------------------------

    def _draws(self, phase: PlannedPhase, part: Part) -> Iterator[Compiled]:
        """What the phase draws and no phase of this step before it has."""
        return (node for node in self._ops(phase) if node.text not in part.drawn)

    def _ops(self, phase: PlannedPhase) -> list[Compiled]:
        return drawing_ops(self.training.losses_of(phase), self.training.compiler.signals)

    def _outside(self, node: Compiled, part: Part) -> Tensor:
        """What the node draws, in memory of its own, where the engine finds it."""
        memory = part.drawn[node.text] = self._drawn(node, part).clone()
        return memory

    @torch.no_grad()
    def _drawn(self, node: Compiled, part: Part) -> Tensor:
        assert node.op is not None
        arguments = [self._value(argument, part) for argument in node.arguments]
        self.training.seeding(part.index, node.text)
        return node.op(*arguments).detach()

    def _value(self, node: Compiled, part: Part) -> Any:
        if node.kind == "field":
            return part.fields[node.name]
        if node.kind == "number":
            return node.number
        if node.kind == "signal":
            return part.signals[node.name].value.detach()
        return self._drawn(node, part) if node.text not in part.drawn else part.drawn[node.text]


def _no_seed(part: int, text: str) -> None:
    """A device's generator takes no seed while it is recorded."""


def _parts(fields: Sequence[Mapping[str, Tensor]]) -> list[Part]:
    return [Part(given, index) for index, given in enumerate(fields)]


def _named(active: Sequence[PlannedPhase]) -> str:
    return ", ".join(phase.name for phase in active)


def _kind(active: Sequence[PlannedPhase], fields: Sequence[Mapping[str, Tensor]]) -> Kind:
    shapes = tuple((key, value.shape, value.dtype) for given in fields for key, value in sorted(given.items()))
    return tuple(phase.name for phase in active), len(fields), shapes
