"""Measures variants in turns, A B C A B C, so that what slows the machine down for a while slows them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from toonforge.bench.asked import Asked
from toonforge.bench.lines import Start
from toonforge.bench.measured import Measurement, Row
from toonforge.bench.pool import Pool
from toonforge.bench.process import COMMAND, Fault
from toonforge.bench.ratios import FEWEST, Ratio, Times, turns_for
from toonforge.bench.stage import Stage
from toonforge.bench.variants import AS_IS, Here, Variant, planned
from toonforge.errors import ToonforgeError

TURN = 1.0
"""Seconds that a turn takes, where nobody says how many steps."""
MOST = 50
"""Steps in it."""
SHARE = 0.8
"""Of the memory that is free, what the processes may take together."""
BESIDE = 600 << 20
"""Bytes that a process takes on a GPU besides its tensors."""
PROFILED = 5
"""Steps under the profiler, where they are short."""

OWN = Variant(name=AS_IS)


class Listener(Protocol):
    """Who wants to know how far a measurement is."""

    def planned(self, turns: int) -> None:
        """So many turns there will be."""

    def said(self, what: str) -> None:
        """What is being done now."""

    def turned(self) -> None:
        """One more turn is over."""


@attrs.define
class _Turns:
    """What one variant has shown so far, and its numbers' partner of the recipe as it is."""

    variant: Variant
    seconds: list[float] = attrs.field(factory=list)
    waits: list[float] = attrs.field(factory=list)
    ratios: list[float] = attrs.field(factory=list)
    memory: int = 0
    pictures: int = 1
    tricks: tuple[str, ...] = ()
    problem: str | None = None

    def row(self) -> Row:
        done = self.problem is None and bool(self.seconds)
        return Row(
            variant=self.variant,
            tricks=self.tricks,
            pictures=self.pictures,
            times=Times(tuple(self.seconds)) if done else None,
            waits=Times(tuple(self.waits)) if done else None,
            memory=self.memory,
            ratio=Ratio(tuple(self.ratios)) if done and self.ratios else None,
            problem=self.problem,
        )


def measure(asked: Asked, listener: Listener, command: Sequence[str] = COMMAND) -> Measurement:
    """Measure a recipe; see `Asked`. Every variant trains in a process of its own.

    Args:
        asked: what.
        listener: told how far it is.
        command: what a process is started with.

    Raises:
        ToonforgeError: the recipe as it is cannot be trained. A variant that cannot has a row that says so.
        Fault: the same, by a fault of ours.
    """
    start = Start(source=asked.source, overrides=asked.overrides, at=asked.at, cpu=asked.cpu)

    def starting(variant: Variant) -> None:
        listener.said(f"first steps, {variant.name}")

    with Pool(start, command, starting) as pool:
        listener.said("loading PyTorch and the networks")
        about = pool.ready(OWN)
        here = Here(
            wanted=about["wanted"],
            chosen=tuple(about["chosen"]),
            auto=tuple(about["auto"]),
            impossible=about["impossible"],
        )
        others = planned(here, asked.tricks, asked.tries)
        return _Measuring(asked, listener, pool, about, here).run(others)


class _Measuring:
    """See `measure`."""

    def __init__(self, asked: Asked, listener: Listener, pool: Pool, about: Mapping[str, Any], here: Here) -> None:
        self.asked, self.listener, self.pool, self.about, self.here = asked, listener, pool, about, here
        self.own = _Turns(OWN)
        self.turns = asked.turns or FEWEST
        self.flops: int | None = None
        self.notes: list[str] = []

    def run(self, others: Sequence[Variant]) -> Measurement:
        self.turns = self.asked.turns or turns_for(len(others))
        warm = self.pool.warm(OWN)
        stage = Stage(first=0, count=1, phases=(), cycle=self.about["cycle"])
        each = warm["seconds"] / warm["steps"]
        steps = self.asked.steps or stage.rounded(min(MOST, max(1, round(TURN / each))))
        self.pool.most = _most(warm, self.about["device"])
        at_once = max(1, self.pool.most - 1)
        groups = [others[i : i + at_once] for i in range(0, len(others), at_once)] or [()]
        self.listener.planned(self.turns * (len(others) + len(groups)))
        if self.pool.most < 2 and others:
            self.notes.append("memory holds one process at a time, so each turn starts its own")
        rows = [row for group in groups for row in self._group(group, steps)]
        own = self.own.row()
        assert own.times is not None and own.waits is not None
        self.listener.said("where the time goes")
        if "cuda-graphs" in own.tricks:
            self.notes.append("where it goes: the kernels of the same steps, computed without cuda-graphs")
        profile = stage.rounded(max(1, min(PROFILED, round(TURN / each))))
        shares = self.pool.ask(OWN, "parts", steps=profile)
        self._count(OWN, own.tricks)
        rates = self.pool.ask(OWN, "rate")["rates"]
        rest = own.times.median - own.waits.median
        scale = rest / shares["seconds"] if self.about["device"] == "cpu" else None
        return Measurement(
            about=self.about,
            here=self.here,
            rows=(own, *rows),
            steps=steps,
            turns=self.turns,
            parts=_parts(shares["parts"], rest, own.waits.median, scale),
            networks=_scaled(shares["networks"], scale),
            flops=self.flops,
            rates=rates,
            notes=tuple(self.notes),
        )

    def _group(self, group: Sequence[Variant], steps: int) -> list[Row]:
        """The recipe as it is and some variants, turn by turn."""
        found = [_Turns(variant) for variant in group]
        if self.pool.most > 1:
            self.pool.begin([OWN, *group])
            for one in (self.own, *found):
                self._try(one, lambda one=one: self._meet(one))
        for number in range(self.turns):
            for one in (self.own, *found):
                if one.problem is None:
                    self.listener.said(f"turn {number + 1} of {self.turns}, {one.variant.name}")
                    self._try(one, lambda one=one: self._turn(one, steps))
                self.listener.turned()
        for one in found:
            if one.problem is None:
                self._count(one.variant, one.tricks)
        return [one.row() for one in found]

    def _try(self, one: _Turns, what: Any) -> None:
        """What a variant cannot do ends it alone; the recipe as it is must do it."""
        try:
            what()
        except (ToonforgeError, Fault) as error:
            if one is self.own:
                raise
            one.problem = _line(error)
            self.pool.end(one.variant.name)

    def _meet(self, one: _Turns) -> None:
        self.pool.warm(one.variant)

    def _turn(self, one: _Turns, steps: int) -> None:
        turn = self.pool.ask(one.variant, "turn", steps=steps)
        told = self.pool.ready(one.variant)
        one.tricks, one.pictures = tuple(told["chosen"]), told["batch_size"]
        one.seconds.append(turn["seconds"] / steps)
        one.waits.append(turn["data"] / steps)
        one.memory = max(one.memory, turn["memory"])
        if one is not self.own:
            own = self.own.seconds[-1] / self.own.pictures
            one.ratios.append(one.seconds[-1] / one.pictures / own)

    def _count(self, variant: Variant, tricks: Sequence[str]) -> None:
        """The operations of a step, where it is computed as written: what a compiler makes of it cannot be counted."""
        if self.flops is None and variant.change is None and not tricks:
            self.listener.said("counting operations")
            self.flops = self.pool.ask(variant, "flops")["flops"]


def _most(warm: Mapping[str, Any], device: str) -> int:
    """How many processes of the size of the first one fit beside each other."""
    if not warm["room"] or not warm["memory"]:
        return 64
    size = warm["memory"] + (BESIDE if device != "cpu" else 0)
    # `room` is what is left with the first one there.
    return max(1, min(64, 1 + int(SHARE * warm["room"] / size)))


def _line(error: Exception) -> str:
    """An error in a line."""
    if isinstance(error, ToonforgeError):
        problem = error.problems[0]
        return problem.message + (f" ({problem.found})" if problem.found else "")
    return str(error).strip().split("\n")[-1]


def _parts(
    shares: Mapping[str, Mapping[str, float]], rest: float, data: float, scale: float | None
) -> dict[str, dict[str, float]]:
    """Seconds of a step by kind; those of a GPU's kernels are as they are, and what is left it does nothing."""
    parts = _scaled(shares, scale)
    known = sum(value for row in parts.values() for value in row.values())
    last = parts.setdefault("rest", {})
    if scale is not None:
        last[""] = last.get("", 0.0) + rest - known
    elif known < rest:
        parts["device idle"] = {"": rest - known}
    return {"data": {"": data}, **parts}


def _scaled(rows: Mapping[str, Mapping[str, float]], scale: float | None) -> dict[str, dict[str, float]]:
    return {name: {way: value * (scale or 1.0) for way, value in row.items()} for name, row in rows.items()}
