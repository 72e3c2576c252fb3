"""What draws random numbers in a step, and whether it can be drawn beside a recording, or while it is replayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from toonforge.speed.capture import Recorder, equal
from toonforge.train.graph import Arguments, Compiled
from toonforge.train.groups import walk
from toonforge.train.phases import PlannedPhase

Seed = tuple[int, str]
"""(part of the batch, text of the call): what a call's draws are seeded with, besides the step."""


class Calls:
    """Watches which of a step's seeded calls draw, and from which generators.

    Args:
        recorder: whose generators.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._phase = ""
        self._open: tuple[Seed, tuple[Any, Any]] | None = None
        self._seen: list[tuple[str, Seed, bool, bool]] = []

    def enter(self, phase: PlannedPhase) -> None:
        """A phase begins."""
        self.close()
        self._phase = phase.name

    def begin(self, part: int, text: str) -> None:
        """A call was seeded: what is drawn until the next one is drawn by it."""
        self._open = (part, text), self.recorder.states()

    def close(self) -> None:
        """The call is over."""
        if self._open is not None:
            seed, (replayed, once) = self._open
            now = self.recorder.states()
            self._seen.append((self._phase, seed, not equal(replayed, now[0]), not equal(once, now[1])))
        self._open = None

    def drew(self, phase: str, ops: Set[str]) -> tuple[Seed, ...]:
        """The calls of a phase that drew from what recordings draw from anew; not those of `ops`, drawn beside them."""
        return tuple(seed for name, seed, drawn, _ in self._seen if drawn and name == phase and seed[1] not in ops)

    def once(self, ops: Set[str]) -> Iterator[str]:
        """Of other calls that drew from what a recording would draw from once and for all, in words."""
        for phase, (_, text), _, drawn in self._seen:
            if drawn and text not in ops:
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
