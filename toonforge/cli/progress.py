"""What a run shows while it trains: a live display on a terminal, plain lines otherwise, a summary at the end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

import click

from toonforge import events
from toonforge.cli.metric_table import metric_lines
from toonforge.cli.text import number, width
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.progress import Progress as Bar

QUIET = 5.0
"""Seconds between two plain lines, so that a log file of a long run stays readable."""


class Progress:
    """Listens to one run.

    Args:
        recipe: what is trained; names the phases' losses and the translations.
        stream: where progress goes; stderr by default, so that stdout holds the summary alone.
    """

    def __init__(self, recipe: Recipe, stream: TextIO | None = None) -> None:
        self.recipe, self.stream = recipe, stream or sys.stderr
        self.live: Live | None = None
        self.bar: Bar | None = None
        self.terminal = self.stream.isatty()
        self._quiet_until = 0.0
        self._seconds_per_step: float | None = None
        self._logged = (0, 0.0)
        self._last: events.Step | None = None
        self._checkpoint: events.Checkpoint | None = None

    def say(self, text: str) -> None:
        """One line of its own."""
        click.echo(text, file=self.stream)

    # -- what happens ---------------------------------------------------------------------------------------------

    @hookimpl
    def run_started(self, run: events.RunInfo) -> None:
        """Say what begins, and open the live display."""
        sizes = ", ".join(f"{name} {count_text(count)}" for name, count in run.parameters.items())
        processes = f" in {run.processes} processes" if run.processes > 1 else ""
        self.say(
            f"{click.style(run.name, bold=True)}: {run.total_steps} steps on {run.device}{processes}, in {run.folder}"
        )
        self.say(f"parameters: {sizes}")
        for note in run.notes:
            self.say(f"note: {note}")
        if run.first_step == run.total_steps:
            length = "train.steps" if self.recipe.train.steps is not None else "train.epochs"
            self.say(f"all {run.total_steps} steps are done; to train longer, give more with --set {length}=…")
            self._say_drawing()
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
        now = time.monotonic()
        left = self._seconds_left(run, step, now)
        if self.live is not None and self.bar is not None:
            speed = f"{step.images_per_second:.1f} images/s"
            self.bar.update(self.bar.task_ids[0], completed=step.step, speed=speed, left=f"{duration(left)} left")
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
    def metrics_measured(self, run: events.RunInfo, measured: events.Measured) -> None:
        """One line for what was measured on the way; the summary shows the last."""
        if measured.step == run.total_steps:
            return
        headlines = {name: results[""] for name, results in measured.metrics.items() if "" in results}
        text = "  ".join(f"{name} {number(value)}" for name, value in headlines.items())
        line = f"step {measured.step:>{len(str(run.total_steps))}}: {text}"
        if self.live is not None:
            self.live.console.print(line, highlight=False)
        else:
            self.say(line)

    @hookimpl
    def checkpoint_saved(self, run: events.RunInfo, checkpoint: events.Checkpoint) -> None:
        """Remember it; the last one is named in the summary."""
        self._checkpoint = checkpoint
        if checkpoint.step == run.total_steps:
            self.close()
            self._say_drawing()

    def _say_drawing(self) -> None:
        if self.recipe.translations:
            self.say("drawing the validation grid" + (" and measuring" if self.recipe.metrics else "") + " …")

    @hookimpl
    def run_finished(self, run: events.RunInfo, finished: events.Finished) -> None:
        """Close the live display and print the summary on stdout."""
        self.close()
        click.echo(summary(run, finished, self.recipe, self._last, self._checkpoint))

    def close(self) -> None:
        """Leave the live display, if there is one; the last state stays on the screen."""
        if self.live is not None:
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


# -- text -----------------------------------------------------------------------------------------------------------


def count_text(count: int) -> str:
    """1234567 -> "1.23 M"."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {suffix}"
    return str(count)


def duration(seconds: float) -> str:
    """ "3:12", or "1:03:12" from an hour on."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def loss_lines(step: events.Step, recipe: Recipe, columns: int) -> list[str]:
    """Each phase with its weighted sum, and below it its losses in columns that line up over all phases."""
    values = {phase: _losses_of(step, phase) for phase in recipe.phases if phase in step.totals}
    names = [name for losses in values.values() for name in losses]
    size = max(map(len, names), default=0)
    cell = size + 11
    per_line = max(1, (columns - 2) // (cell + 1))
    lines = []
    for phase, losses in values.items():
        lines.append(f"{phase}: {number(step.totals[phase])}  lr {step.lr.get(phase, 0.0):.3g}")
        cells = [f"{name:<{size}} {number(value):<10}" for name, value in losses.items()]
        lines += ["  " + " ".join(cells[i : i + per_line]).rstrip() for i in range(0, len(cells), per_line)]
    return lines


def _losses_of(step: events.Step, phase: str) -> dict[str, float]:
    prefix = f"{phase}."
    return {key.removeprefix(prefix): value for key, value in step.losses.items() if key.startswith(prefix)}


def plain_line(run: events.RunInfo, step: events.Step, left: float) -> str:
    """One step in one line: how far, each phase's sum, speed, and the seconds that are left."""
    totals = "  ".join(f"{phase} {number(total)}" for phase, total in step.totals.items())
    size = len(str(run.total_steps))
    return (
        f"step {step.step:>{size}}/{run.total_steps}  {100 * step.step // max(run.total_steps, 1):>3}%  {totals}"
        f"  {step.images_per_second:.1f} images/s  {duration(left)} left"
    )


def summary(
    run: events.RunInfo,
    finished: events.Finished,
    recipe: Recipe,
    last: events.Step | None,
    checkpoint: events.Checkpoint | None,
) -> str:
    """How the run ended: losses, metrics, where things lie, what was skipped, what to type next."""
    ended = "finished" if finished.reason == "done" else "stopped"
    head = f"{ended} after step {finished.step} of {run.total_steps}, in {duration(finished.seconds)}"
    lines = ["", click.style(head, bold=True)]
    if last is not None:
        when = "losses" if last.step == finished.step else f"losses of step {last.step}"
        lines += ["", when, *(f"  {line}" for line in loss_lines(last, recipe, width() - 2))]
    if finished.metrics:
        lines += ["", *metric_lines(finished.metrics, finished.about)]
    lines.append("")
    places = {"grid": finished.grid, **finished.pictures}
    places["checkpoint"] = checkpoint.folder if checkpoint is not None else None
    indent = max(map(len, places)) + 2
    lines += [f"{label + ':':<{indent}}{place}" for label, place in places.items() if place is not None]
    if finished.skipped:
        count = len(finished.skipped)
        lines += ["", f"skipped {count} unreadable picture{'s' * (count != 1)}:"]
        lines += [f"  {path}: {reason}" for path, reason in finished.skipped.items()]
    lines += ["", f"next: {click.style(next_command(run, finished, recipe), fg='green', bold=True)}"]
    return "\n".join(lines)


def next_command(run: events.RunInfo, finished: events.Finished, recipe: Recipe) -> str:
    """What one would type now."""
    if finished.reason != "done":
        several = f" --processes {run.processes}" if run.processes not in (1, recipe.train.processes) else ""
        return f"toonforge run {run.folder} --resume{several}"
    if not recipe.translations:
        return f"toonforge show {run.folder / 'resolved.toml'}"
    return f"toonforge translate {run.folder} {input_of(recipe, next(iter(recipe.translations.values())))}.jpg"


def input_of(recipe: Recipe, expr: Expr) -> str:
    """The batch field that a translation translates."""
    return min(Graph(recipe.modules, recipe.signals).fields_of(expr), default="picture")
