"""What `toonforge translate` says while it works, and in the end: a bar on a terminal, a line for each elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from toonforge.data.reading.picture import shown
from toonforge.errors import escaped

if TYPE_CHECKING:
    from rich.progress import Progress

    from toonforge.use.pictures.plan import Job


class Telling:
    """Progress on stderr; counts what was done.

    Args:
        noun: what is counted, in the singular: "picture", "frame".
        total: how many there are; None where that is not known.
        name: of the file, where there is a bar for it alone.

    Attributes:
        done, failed: how many came out, and how many did not.
    """

    def __init__(self, noun: str, total: int | None, name: str = "") -> None:
        self.noun, self.total, self.name = noun, total, name
        self.done = self.failed = 0
        self._begun = time.monotonic()
        self._next_line = self._begun + QUIET
        self._live: Progress | None = None
        self._task: Any = None
        if sys.stderr.isatty():
            self._live = _bar()
            self._task = self._live.add_task(escaped(name) or "translating", total=total, rate="")
            self._live.start()

    def __enter__(self) -> Telling:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def rate(self) -> str:
        """How fast it went till now: "3.2 pictures/s", "25 s a picture"."""
        seconds = max(time.monotonic() - self._begun, 1e-6)
        pace = self.done / seconds
        if self.done and pace < 0.1:
            return f"{seconds / self.done:.0f} s a {self.noun}"
        return f"{pace:.0f} {self.noun}s/s" if pace >= 10 else f"{pace:.1f} {self.noun}s/s"

    def picture(self, job: Job, problem: str | None) -> None:
        """One picture is there, or is not."""
        self.done, self.failed = self.done + (problem is None), self.failed + (problem is not None)
        number = self.done + self.failed
        if problem is not None:
            self.say(f"{click.style('skipped', fg='yellow')} {named(job.name)}: {escaped(problem)}")
        elif self._live is None and self.total is not None and job.target is not None:
            self.say(f"{number:,}/{self.total:,}  {named(job.name)} -> {named(str(job.target))}")
        if self._live is not None:
            self._live.update(self._task, completed=number, rate=self.rate)

    def part(self, done: int, total: int) -> None:
        """So many parts of the picture that is being computed are there."""
        if self._live is not None:
            self._live.update(self._task, completed=self.done + self.failed + done / max(total, 1))
        elif time.monotonic() >= self._next_line and done < total:
            self._next_line = time.monotonic() + QUIET
            self.say(f"part {done:,} of {total:,}")

    def reach(self, done: int, total: int | None) -> None:
        """So many frames are there."""
        self.done = done
        if self._live is not None:
            self._live.update(self._task, completed=done, total=total, rate=self.rate)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + QUIET
            of = f"/{total:,}" if total else ""
            self.say(f"{escaped(self.name)}: {done:,}{of} {self.noun}s, {self.rate}")

    def say(self, text: str) -> None:
        """A line of its own, above the bar if there is one."""
        if self._live is None:
            click.echo(text, err=True)
            return
        from rich.text import Text

        self._live.console.print(Text.from_ansi(text), highlight=False, soft_wrap=True)


QUIET = 5.0
"""Seconds between two lines on the frames of one video."""


def named(name: str) -> str:
    """A file's name as it may be printed, whatever it holds."""
    return escaped(shown(name))


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    # Room for the "^C" that a terminal writes where the cursor is: it would open a line that stays behind.
    console.width = max(console.width - 3, 20)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        transient=True,
        expand=True,
    )
