"""What is said of a run in words: its steps, measurements and warnings while it trains, a summary at its end."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from toonforge import events
from toonforge.cli.going_on import GoingOn
from toonforge.cli.metric_table import metric_lines, value_text
from toonforge.cli.text import hanging, number, width, with_error
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe

REPORT = "report.html"
LONG_WAITING = 0.1
"""Share of the steps' time from which on waiting for pictures is worth a word at the end."""
NAMED = 20
"""Pictures that are named at the end of a run."""


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
        f"  {speed_text(step)}  {duration(left)} left"
    )


def speed_text(step: events.Step) -> str:
    """How fast steps are, and how much of their time they wait for pictures, where that is a hundredth or more."""
    waiting = f" (data {100 * step.data:.0f} %)" if step.data >= 0.01 else ""
    return f"{step.images_per_second:.1f} images/s{waiting}"


def waiting_note(shares: Sequence[float], workers: int) -> str | None:
    """What helps where steps wait for pictures for long; None where they do not, or where little is known.

    Args:
        shares: of the time, 0 to 1, at each logged step.
        workers: as many load pictures in the background.
    """
    later = shares[1:]  # the first is that of beginning to read
    share = statistics.median(later) if len(later) >= 3 else 0.0
    if share < LONG_WAITING:
        return None
    more = (
        f"train.workers = {max(2, 2 * workers)} loads them with {'more ' if workers else ''}processes in the background"
    )
    return f"steps waited for pictures for {100 * share:.0f} % of their time: {more}"


def measured_lines(run: events.RunInfo, measured: events.Measured) -> str:
    """What was measured on the way: each metric's number, and what it has to beat."""
    found = []
    for name, results in measured.metrics.items():
        if "" in results:
            about = measured.about.get(name)
            judges = about is not None and about.better is not None
            beside = [f"{part} {value_text(results, part)}" for part in ("untranslated", "filter") if part in results]
            found.append(f"{name} {value_text(results, '')}" + (f" ({', '.join(beside)})" if beside and judges else ""))
    return hanging("; ".join(found), f"{at(run, measured.step)}: ", "  ") if found else ""


def best_line(run: events.RunInfo, best: events.Best, error: float | None) -> str:
    """That a measurement is better than all before."""
    mark = click.style("best so far", fg="green", bold=True)
    return f"{at(run, best.step)}: {mark}: {best.metric} {with_error(best.value, error)}"


def error_of(best: events.Best, metrics: Mapping[str, Mapping[str, float]]) -> float | None:
    """The standard error of a best value, as it was measured; None where the metric gives none."""
    name, _, part = best.metric.partition(".")
    return metrics.get(name, {}).get(f"{part}_std" if part else "std")


def over_line(run: events.RunInfo, step: int, kind: str, about: str, began: int | None) -> str:
    """That a warning no longer holds. `began`: its step, where this start gave it."""
    which = "the warning" if began is None else f"the warning of step {began}"
    return f"{at(run, step)}: {click.style('over', fg='green')}: {which} about {about} ({kind})"


def warning_lines(warning: events.Warned) -> str:
    """What begins to look wrong, and what usually helps."""
    head = click.style("warning", fg="yellow", bold=True)
    label = click.style("hint:", fg="green")
    return (
        hanging(f"{warning.message}", f"{head}: at step {warning.step}: ", "  ")
        + "\n"
        + hanging(warning.hint, f"  {label} ", "    ")
    )


def at(run: events.RunInfo, step: int) -> str:
    """ "step   40", as wide as the last step."""
    return f"step {step:>{len(str(run.total_steps))}}"


def summary(
    run: events.RunInfo,
    finished: events.Finished,
    recipe: Recipe,
    last: events.Step | None,
    checkpoint: Path | None,
    measured: events.Measured | None = None,
    error: float | None = None,
    in_sweep: bool = False,
) -> str:
    """How the run ended: losses, metrics, warnings, where things lie, what was skipped, what to type next.

    Args:
        run, finished, recipe: what ended.
        last: its last logged step.
        checkpoint: its newest one.
        measured: the last measurement of this start, should there be none of the run's last step.
        error: standard error of the best value.
        in_sweep: whether it is one run of a sweep, which says itself how to go on.
    """
    lines = ["", hanging(click.style(ending(run, finished, recipe, error), bold=True))]
    if last is not None:
        losses = (f"  {line}" for line in loss_lines(last, recipe, width() - 2))
        lines += ["", f"losses of step {last.step}", *losses]
    if finished.metrics:
        measured = events.Measured(step=finished.step, metrics=finished.metrics, about=finished.about)
    if measured is not None and measured.metrics:
        lines += ["", *metric_lines(measured.metrics, measured.about, f"metrics of step {measured.step}")]
    if finished.warnings:
        lines += ["", click.style("warnings", fg="yellow")]
        lines += [hanging(warning.message, f"  step {warning.step}: ", "    ") for warning in finished.warnings]
    lines += ["", *_places(run, finished, checkpoint, error)]
    lines += _reading(finished)
    if not (in_sweep and exit_code(finished)):
        lines += ["", f"next: {click.style(next_command(run, finished, recipe), fg='green', bold=True)}"]
    return "\n".join(lines)


def _reading(finished: events.Finished) -> list[str]:
    """What came in the way of reading: pictures skipped, tried again, waited for."""
    lines = []
    if finished.skipped:
        count = len(finished.skipped)
        lines += ["", f"skipped {count:,} unreadable picture{'s' * (count != 1)}:"]
        lines += [f"  {path}: {reason}" for path, reason in list(finished.skipped.items())[:NAMED]]
        lines += [f"  and {count - NAMED:,} more; report.html and metrics.jsonl name them"] if count > NAMED else []
    if finished.retried:
        count, first = len(finished.retried), next(iter(finished.retried))
        others = f", the first: {first}" if count > 1 else f": {first}"
        lines += ["", f"read {count:,} picture{'s' * (count != 1)} at a later try{others}"]
    if finished.waited:
        lines += ["", f"waited {duration(finished.waited)} for pictures to be read"]
    return lines


def ending(run: events.RunInfo, finished: events.Finished, recipe: Recipe, error: float | None = None) -> str:
    """That a run ended, and why where that is not its last step. `error`: standard error of the best value."""
    ended = {"done": "finished", "no-improvement": "ended early"}.get(finished.reason, "stopped")
    if exit_code(finished) and not finished.step:
        return f"stopped before the first step of {run.total_steps}: nothing is lost"
    saved = "; a checkpoint is saved" if exit_code(finished) else ""
    head = f"{ended} after step {finished.step} of {run.total_steps}, in {duration(finished.seconds)}{saved}"
    if finished.reason != "no-improvement":
        return head
    rule, best = recipe.train.metrics, finished.best
    known = f" (best {with_error(best.value, error)} at step {best.step})" if best is not None else ""
    return f"{head}: {rule.best} has not improved for {rule.patience} measurements{known}"


def _places(run: events.RunInfo, finished: events.Finished, checkpoint: Path | None, error: float | None) -> list[str]:
    """What lies where."""
    places: dict[str, Path | None] = {"grid": finished.grid, **finished.pictures, "checkpoint": checkpoint}
    best = finished.best
    if best is not None:
        places["best"] = run.folder / "checkpoints" / f"step-{best.step:06d}"
    places["report"] = run.folder / REPORT if (run.folder / REPORT).is_file() else None
    indent = max(map(len, places)) + 2
    said = {"best": f"  ({best.metric} {with_error(best.value, error)})"} if best is not None else {}
    return [f"{label + ':':<{indent}}{place}{said.get(label, '')}" for label, place in places.items() if place]


def next_command(run: events.RunInfo, finished: events.Finished, recipe: Recipe) -> str:
    """What one would type now."""
    folder = shlex.quote(str(run.folder))
    if exit_code(finished):
        several = f" --processes {run.processes}" if run.processes not in (1, recipe.train.processes) else ""
        return GoingOn(run.folder).command(several)
    if not recipe.translations:
        return f"toonforge show {shlex.quote(str(run.folder / 'resolved.toml'))}"
    return f"toonforge translate {folder} {input_of(recipe, next(iter(recipe.translations.values())))}.jpg"


def exit_code(finished: events.Finished) -> int:
    """Of the command that trained; of a run that failed, its error decides."""
    return 0 if finished.reason in ("done", "no-improvement") else 130


def input_of(recipe: Recipe, expr: Expr) -> str:
    """The batch field that a translation translates."""
    return min(Graph(recipe.modules, recipe.signals).fields_of(expr), default="picture")
