"""What a run shows while it trains: a live display on a terminal, plain lines otherwise, a summary at the end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from toonforge import events
from toonforge.cli import leaving
from toonforge.cli.going_on import GoingOn
from toonforge.cli.run_text import (
    REPORT,
    at,
    best_line,
    count_text,
    duration,
    error_of,
    exit_code,
    loss_lines,
    measured_lines,
    over_line,
    plain_line,
    speed_text,
    summary,
    waiting_note,
    warning_lines,
)
from toonforge.cli.text import hanging, width
from toonforge.cli.worker import note_end
from toonforge.errors import escaped
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.runs.log import read_events

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.progress import Progress as Bar

QUIET = 5.0
"""Seconds between two plain lines, so that a log file of a long run stays readable."""
WORDS = {"drawing": "drawing the validation grid"}
"""What a run pauses for, in words, where there is room for them."""


class Progress:
    """Listens to one run.

    Args:
        recipe: what is trained; names the phases' losses and the translations.
        stream: where progress goes; stderr by default, so that stdout holds the summary alone.
        in_sweep: whether it is one run of a sweep, which says how to go on.
    """

    def __init__(self, recipe: Recipe, stream: TextIO | None = None, in_sweep: bool = False) -> None:
        self.recipe, self.stream, self.in_sweep = recipe, stream or sys.stderr, in_sweep
        self.live: Live | None = None
        self.bar: Bar | None = None
        self.terminal = self.stream.isatty()
        self._quiet_until = 0.0
        self._seconds_per_step: float | None = None
        self._logged = (0, 0.0)
        self._last: events.Step | None = None
        self._shares: list[float] = []
        self._measured: events.Measured | None = None
        self._errors: dict[int, float | None] = {}
        self._warned: dict[tuple[str, str], int] = {}
        self._checkpoint: Path | None = None
        self._idle = False
        self._left = ""

    def say(self, text: str) -> None:
        """One line of its own."""
        click.echo(text, file=self.stream)

    # -- what happens ---------------------------------------------------------------------------------------------

    @hookimpl
    def run_started(self, run: events.RunInfo) -> None:
        """Say what begins, and open the live display."""
        leaving.trains(GoingOn(run.folder, self.in_sweep).left)
        sizes = ", ".join(f"{name} {count_text(count)}" for name, count in run.parameters.items())
        processes = f" in {run.processes} processes" if run.processes > 1 else ""
        self.say(
            f"{click.style(run.name, bold=True)}: {run.total_steps} steps on {run.device}{processes}, in {run.folder}"
        )
        self.say(f"parameters: {sizes}")
        self.say(hanging(run.speed, "speed: "))
        self.say(f"report: {run.folder / REPORT}, kept up to date from the first grid on")
        for note in run.notes:
            self.say(hanging(escaped(note.replace("\n", " ")), "note: "))
        self._idle = run.idle
        if run.first_step == run.total_steps:
            length = "train.steps" if self.recipe.train.steps is not None else "train.epochs"
            self.say(f"all {run.total_steps} steps are done; to train longer, give more with --set {length}=…")
        if run.idle:
            return
        if run.first_step:
            self.say(f"continuing after step {run.first_step}")
        self._logged, self._seconds_per_step = (run.first_step, time.monotonic()), None
        if self.terminal:
            self._open(run)

    @hookimpl
    def step_finished(self, run: events.RunInfo, step: events.Step) -> None:
        """Show a logged step."""
        self._last = step
        self._shares.append(step.data)
        now = time.monotonic()
        left = self._seconds_left(run, step, now)
        if self.live is not None and self.bar is not None:
            self._left = f"{duration(left)} left"
            self.bar.update(self.bar.task_ids[0], completed=step.step, speed=speed_text(step), left=self._left)
            self.live.update(self._display(step))
            return
        if now >= self._quiet_until or step.step == run.total_steps:
            self._quiet_until = now + QUIET
            self.say(plain_line(run, step, left))

    def _seconds_left(self, run: events.RunInfo, step: events.Step, now: float) -> float:
        """From the pace of late, smoothed: a later phase may take longer a step than an earlier one."""
        before, then = self._logged
        self._logged = (step.step, now)
        if step.step > before:
            newest = (now - then) / (step.step - before)
            known = self._seconds_per_step
            self._seconds_per_step = newest if known is None else (known + newest) / 2
        return (run.total_steps - step.step) * (self._seconds_per_step or 0.0)

    @hookimpl
    def run_paused(self, run: events.RunInfo, step: int, what: str) -> None:
        """Say what takes its time; in plain lines only where it may be long."""
        if self.bar is not None and self.live is not None:
            self.bar.update(self.bar.task_ids[0], left=f"{what} …")
            self.live.refresh()
        elif what == "measuring" or self._idle or step == run.total_steps:
            self.say(f"{at(run, step)}: {WORDS.get(what, what)} …")

    def _go_on(self) -> None:
        if self.bar is not None and self.live is not None:
            self.bar.update(self.bar.task_ids[0], left=self._left)

    @hookimpl
    def grid_drawn(self, run: events.RunInfo, step: int, grid: Path) -> None:
        """The pause is over."""
        self._go_on()

    @hookimpl
    def metrics_measured(self, run: events.RunInfo, measured: events.Measured) -> None:
        """What was measured on the way; the summary shows the last."""
        self._go_on()
        self._measured = measured
        if measured.step < run.total_steps and (text := measured_lines(run, measured)):
            self._line(text)

    @hookimpl
    def best_improved(self, run: events.RunInfo, best: events.Best) -> None:
        """Mark it."""
        if self._measured is not None and self._measured.step == best.step:
            self._errors[best.step] = error_of(best, self._measured.metrics)
        self._line(best_line(run, best, self._errors.get(best.step)))

    @hookimpl
    def warned(self, run: events.RunInfo, warning: events.Warned) -> None:
        """Say at once what looks wrong, except for what ends the run and is said then."""
        if warning.kind != "not-finite":
            self._warned[warning.kind, warning.about] = warning.step
            self._line(warning_lines(warning))

    @hookimpl
    def warning_over(self, run: events.RunInfo, step: int, kind: str, about: str) -> None:
        """Say that it no longer holds."""
        self._line(over_line(run, step, kind, about, self._warned.pop((kind, about), None)))

    def _line(self, text: str) -> None:
        """A line of its own, above the live display if there is one."""
        if self.live is None:
            self.say(text)
            return
        from rich.text import Text

        self.live.console.print(Text.from_ansi(text), highlight=False)

    @hookimpl
    def checkpoint_saved(self, run: events.RunInfo, checkpoint: events.Checkpoint) -> None:
        """Remember it; the last one is named in the summary."""
        self._checkpoint = checkpoint.folder
        if checkpoint.step == run.total_steps:
            self.close(clear=True)

    @hookimpl
    def run_finished(self, run: events.RunInfo, finished: events.Finished) -> None:
        """Close the live display and print the summary on stdout; of a failure the error tells that follows."""
        self.close(clear=finished.reason != "failed")
        if finished.reason == "failed":
            leaving.ends(None)
            return
        if (note := waiting_note(self._shares, self.recipe.train.workers)) is not None:
            self.say(hanging(note, "note: "))
        error = None if finished.best is None else self._error(run.folder, finished.best)
        text = summary(run, finished, self.recipe, self._last, self._checkpoint, self._measured, error, self.in_sweep)
        leaving.over(exit_code(finished))
        click.echo(text)
        note_end(exit_code(finished))

    def _error(self, folder: Path, best: events.Best) -> float | None:
        """The standard error of the best value; the log knows that of an earlier start's."""
        if best.step not in self._errors:
            log = (event for event in read_events(folder) if event["event"] == "metrics" and event["step"] == best.step)
            name, _, part = best.metric.partition(".")
            found = [event["metrics"].get(f"{name}.{part}_std" if part else f"{name}.std") for event in log]
            self._errors[best.step] = found[-1] if found else None
        return self._errors[best.step]

    def close(self, clear: bool = False) -> None:
        """Leave the live display, if there is one.

        Args:
            clear: whether to remove it, since the summary follows; otherwise its last state stays on the screen.
        """
        if self.live is not None:
            self.live.transient = clear
            self.live.stop()
            self.live = None

    # -- the live display -------------------------------------------------------------------------------------------

    def _open(self, run: events.RunInfo) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console(file=self.stream)
        self.bar = Bar(
            SpinnerColumn(finished_text=" "),
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[speed]}", justify="right"),
            TextColumn("{task.fields[left]}", justify="right"),
            console=console,
            expand=True,
        )
        self.bar.add_task("steps", total=run.total_steps, completed=run.first_step, speed="", left=self._when(run))
        self.live = Live(self.bar, console=console, refresh_per_second=4)
        self.live.start()

    def _when(self, run: events.RunInfo) -> str:
        """What stands in place of the time that is left until something is known of it."""
        if run.first_step == 0:
            return "first losses at step 1"
        every = max(1, self.recipe.train.log.every.in_steps(run.steps_per_epoch))
        first = min(run.total_steps, (run.first_step // every + 1) * every)
        return f"first losses at step {first}" if run.first_step < run.total_steps else ""

    def _display(self, step: events.Step) -> Group:
        from rich.console import Group
        from rich.text import Text

        assert self.bar is not None
        lines = [Text(line) for line in loss_lines(step, self.recipe, width())]
        for line in lines:
            line.highlight_regex(r"(?<= )-?\d[\d.e+-]*", "cyan")
        return Group(self.bar, *lines)
