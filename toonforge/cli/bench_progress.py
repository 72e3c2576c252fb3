"""How far a measurement is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Live

QUIET = 5.0
"""Seconds between two plain lines."""


class Progress:
    """Progress on stderr, as `toonforge.bench.alternating.Listener` describes."""

    def __init__(self) -> None:
        self._live = _live() if sys.stderr.isatty() else None
        self._task: Any = None
        self._turns = self._done = 0
        self._quiet_until = 0.0

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._task = self._live.add_task("", total=None)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def stopped(self) -> str:
        """How far it came, for one who stops it: " after 3 of 10 turns"."""
        return f" after {self._done} of {self._turns} turns" if self._turns else " before the first turn"

    def planned(self, turns: int) -> None:
        """So many turns there will be."""
        self._turns = turns
        if self._live is not None:
            self._live.reset(self._task, total=turns)

    def said(self, what: str) -> None:
        """What is being done now."""
        if self._live is not None:
            self._live.update(self._task, description=what)
            return
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            where = f"{self._done}/{self._turns} turns  " if self._turns else ""
            click.echo(f"{where}{what} …", err=True)

    def turned(self) -> None:
        """One more turn is over."""
        self._done += 1
        if self._live is not None:
            self._live.advance(self._task)


def _live() -> Live:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class Left(TimeRemainingColumn):
        """ "0:12 left", and nothing before it is known."""

        def render(self, task: Task) -> Text:
            return Text("") if task.time_remaining is None else super().render(task).append(" left")

    console = Console(file=sys.stderr)
    # Room for the "^C" that a terminal writes where the cursor is: it would open a line that stays behind.
    console.width = max(console.width - 3, 20)
    what = Column(ratio=5, no_wrap=True, overflow="ellipsis")
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=what),
        BarColumn(bar_width=None, table_column=Column(ratio=2)),
        MofNCompleteColumn(),
        Left(compact=True),
        console=console,
        transient=True,
        expand=True,
    )
