"""What draws random numbers in a step, and whether it can be drawn beside a recording, or while it is replayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any

from toonforge.speed.capture import Looks, Recorder, equal
from toonforge.train.graph import Arguments, Compiled
from toonforge.train.groups import walk
from toonforge.train.phases import PlannedPhase

Seed = tuple[int, str]
"""(part of the batch, text of the call): what a call's draws are seeded with, besides the step."""


class Calls:
    """Watches which of a step's seeded calls draw, from which generators, and which look at numbers.

    Args:
        recorder: whose generators.
        ops: texts of calls that are drawn beside a recording, and may do what they like.

    Attributes:
        looked: calls that look at numbers, in words.
    """

    def __init__(self, recorder: Recorder, ops: Set[str]) -> None:
        self.recorder, self.ops = recorder, ops
        self.looked: list[str] = []
        self._phase = ""
        self._open: tuple[Seed, tuple[Any, Any]] | None = None
        self._seen: list[tuple[str, Seed, bool, bool]] = []

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Within it a phase's gradients are computed."""
        self._phase, self._open = phase, None
        with Looks(self._look):
            yield
            self.close()

    def begin(self, part: int, text: str) -> None:
        """A call was seeded: what is drawn until the next one is drawn by it."""
        self._open = (part, text), self.recorder.states()

    def close(self) -> None:
        """The call is over."""
        if self._open is not None:
            (seed, (replayed, once)), self._open = self._open, None
            now = self.recorder.states()
            self._seen.append((self._phase, seed, not equal(replayed, now[0]), not equal(once, now[1])))

    def _look(self, operation: str) -> None:
        text = "" if self._open is None else self._open[0][1]
        if text not in self.ops:
            after = f", in or after {text}" if text else ""
            self.looked.append(f"phases.{self._phase} looks at numbers while it is computed ({operation}{after})")

    def drew(self, phase: str) -> tuple[Seed, ...]:
        """The calls of a phase that drew from what recordings draw from anew."""
        return tuple(seed for name, seed, drawn, _ in self._seen if drawn and name == phase and seed[1] not in self.ops)

    def once(self) -> Iterator[str]:
        """Calls that drew from what a recording would draw from once and for all, in words."""
        for phase, (_, text), _, drawn in self._seen:
            if drawn and text not in self.ops:
                yield f"{text} of phases.{phase} draws numbers on the processor"


def several(drawing: Mapping[str, Sequence[Seed]]) -> Iterator[str]:
    """Phases in which more than one call draws, in words. A replay has one seed."""
    for phase, seeds in drawing.items():
        if len(seeds) > 1:
            texts = " and ".join(text for _, text in seeds)
            yield f"{texts} of phases.{phase} draw (dropout); one call of a phase may"


def drawing_ops(losses: Mapping[str, Arguments], signals: Mapping[str, Compiled]) -> list[Compiled]:
    """Calls of pools, noise and their like in a phase's losses, those within others first."""
    nodes = walk(_roots(losses), signals).values()
    return sorted((node for node in nodes if node.kind == "op" and node.draws), key=lambda node: len(node.text))


def undrawable(
    active: Sequence[PlannedPhase],
    losses: Mapping[str, Mapping[str, Arguments]],
    signals: Mapping[str, Compiled],
) -> Iterator[str]:
    """Draws of a step that have to be made within their phases, in words.

    Args:
        active: the step's phases.
        losses: phase -> loss -> what it takes.
        signals: name -> its expression.
    """
    known, drawn = set[str](), set[str]()
    for phase in active:
        for node in drawing_ops(losses[phase.name], signals):
            if node.text not in drawn and node.below & phase.updates:
                yield f"{node.text} draws on what phases.{phase.name} trains"
            elif node.text not in drawn and not all(_at_hand(argument, known) for argument in node.arguments):
                yield f"{node.text} draws on what phases.{phase.name} itself computes"
            drawn.add(node.text)
        touched = walk(_roots(losses[phase.name]), signals).values()
        known |= {node.name for node in touched if node.kind == "signal"}


def _roots(losses: Mapping[str, Arguments]) -> list[Compiled]:
    return [node for arguments in losses.values() for node in arguments.nodes.values()]


def _at_hand(node: Compiled, signals: Set[str]) -> bool:
    """Whether a value is known before the phase begins: of pictures and these signals, by ops alone."""
    if node.kind == "signal":
        return node.name in signals
    return node.kind != "network" and all(_at_hand(argument, signals) for argument in node.arguments)
