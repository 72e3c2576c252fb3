"""The processes that are alive: as many as fit into memory together; one that had to go is started anew when wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import attrs

from toonforge.bench.lines import Start
from toonforge.bench.process import Process
from toonforge.bench.variants import Variant


class Pool:
    """Processes by variant. Leave it with `with`, which ends them.

    Args:
        start: of the recipe as it is.
        command: what a process is started with.
        starting: told the variant whose process does its first steps, which may take long.
    """

    def __init__(self, start: Start, command: Sequence[str], starting: Callable[[Variant], None]) -> None:
        self.start, self.command, self.starting = start, command, starting
        self.most = 1
        self._alive: dict[str, Process] = {}
        self._warm: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name in [*self._alive]:
            self.end(name)

    def begin(self, variants: Sequence[Variant]) -> None:
        """Start these at once, and end what else is alive."""
        for name in [name for name in self._alive if name not in {variant.name for variant in variants}]:
            self.end(name)
        for variant in variants:
            self._process(variant)

    def ready(self, variant: Variant) -> dict[str, Any]:
        """What the variant's process made of it."""
        return self._process(variant).ready

    def warm(self, variant: Variant) -> dict[str, Any]:
        """The last of its first steps, once it has done them."""
        process = self._process(variant)
        if variant.name not in self._warm:
            self.starting(variant)
            assert process.ready is not None
            self._warm[variant.name] = process.ask("warm")
        return self._warm[variant.name]

    def ask(self, variant: Variant, do: str, **more: Any) -> dict[str, Any]:
        """The answer of its process, which is started and warmed up where it is not alive."""
        assert self.warm(variant) is not None
        return self._process(variant).ask(do, **more)

    def end(self, name: str) -> None:
        """End a variant's process."""
        self._warm.pop(name, None)
        process = self._alive.pop(name, None)
        if process is not None:
            process.end()

    def _process(self, variant: Variant) -> Process:
        """The variant's; of too many, the one that was asked longest ago ends."""
        process = self._alive.pop(variant.name, None)
        if process is None:
            while len(self._alive) >= self.most:
                self.end(next(iter(self._alive)))
            process = Process(start_of(self.start, variant), self.command)
        self._alive[variant.name] = process
        return process


def start_of(start: Start, variant: Variant) -> Start:
    """The first line for a variant's process."""
    changes = [] if variant.change is None else [variant.change]
    if variant.speed is not None:
        changes.append(f"train.speed={json.dumps(variant.speed)}")
    return attrs.evolve(start, overrides=(*start.overrides, *changes))
