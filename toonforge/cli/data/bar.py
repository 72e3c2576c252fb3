"""How far a verb of `toonforge data` is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Live

    from toonforge.prepare.engine.task import Outcome

QUIET = 5.0
"""Seconds between two plain lines."""


class Bar:
    """Progress on stderr, as `toonforge.prepare.engine.task.Progress` describes.

    Args:
        noun: what is counted, in the singular.
    """

    def __init__(self, noun: str) -> None:
        self._noun, self._live = noun, None if not sys.stderr.isatty() else _live(noun)
        self._what, self._total, self._done, self._earlier = "", 0, 0, 0
        self._troubles: Counter[str] = Counter()
        self._began = self._quiet_until = time.monotonic()
        self._task: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, what: str, total: int, done: int) -> None:
        """Open the bar, or begin it anew for a further pass."""
        self._what, self._total, self._done, self._earlier = what, total, done, done
        self._began = time.monotonic()
        self._quiet_until = self._began + QUIET
        left = total - done
        if done:
            click.echo(f"{done:,} of {total:,} done before" + ("" if left else ", nothing left to do"), err=True)
        if self._live is not None and left:
            if self._task is not None:
                self._live.remove_task(self._task)
            self._task = self._live.add_task(what, total=total, completed=done, rate="", trouble="")
            self._live.start()

    def advance(self, outcome: Outcome) -> None:
        """One more is done."""
        if outcome.action in ("unreadable", "failed"):
            self._troubles[outcome.action] += 1
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        """So many are done."""
        self._done = done
        trouble = ", ".join(f"{number:,} {action}" for action, number in self._troubles.items())
        now = time.monotonic()
        rate = (self._done - self._earlier) / max(now - self._began, 1e-6)
        if self._live is not None:
            self._live.update(self._task, completed=self._done, rate=_rate(rate, self._noun), trouble=trouble)
        elif now >= self._quiet_until and self._done < self._total:
            from toonforge.cli.run_text import duration

            self._quiet_until = now + QUIET
            left = duration((self._total - self._done) / rate)
            line = f"{self._what}  {self._done:,}/{self._total:,}  {_rate(rate, self._noun)}  {left} left"
            click.echo(f"{line}  {trouble}".rstrip(), err=True)


def _rate(rate: float, noun: str) -> str:
    return (
        f"{rate:.0f} {noun}s/s" if rate >= 10 else f"{rate:.1f} {noun}s/s" if rate >= 1 else f"{1 / rate:.1f} s/{noun}"
    )


def _live(noun: str) -> Live:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    # Room for the "^C" that a terminal writes where the cursor is: it would open a line that stays behind.
    console.width = max(console.width - 3, 20)
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn()]
    if console.width >= _WIDE:
        columns.append(TextColumn("{task.fields[rate]}"))
    columns += [TimeRemainingColumn(compact=True), TextColumn("left"), TextColumn("[yellow]{task.fields[trouble]}")]
    return Progress(*columns, console=console, transient=True, expand=True)


_WIDE = 75
"""Columns of a terminal that the speed has room on."""
