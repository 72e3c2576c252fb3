"""What is said where memory runs out: what was being done, with which sizes, and what to change. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.memory import done_at, is_out_of_memory
from toonforge.recipe.model import Recipe
from toonforge.runs.described import resume_command

LONGEST = 200
"""Characters of the error that are said."""
WANTED = re.compile(r"tried to allocate (\d+) bytes", re.IGNORECASE)
"""How torch's CPU allocator says what it had no room for."""


def short_of_memory(error: Exception, recipe: Recipe, folder: Path, device: str, step: int | None) -> RunError | None:
    """The one message for an error for want of memory; None for any other error.

    Args:
        error: what was raised.
        recipe: what is trained.
        folder: of the run.
        device: where: "cpu", "cuda:0".
        step: steps done; None before training.
    """
    if isinstance(error, RunError) or not is_out_of_memory(error):
        return None
    what = done_at(error) or "training"
    when = f", after step {step}" if step else ""
    return RunError(
        Problem(
            message=f"out of memory while {what}{when}",
            found=f"{_said(error)} on {device}, with {_sizes(recipe)}",
            hint=_hint(what, recipe, folder, device, step),
        )
    )


def _said(error: Exception) -> str:
    """The error in a line; Python's own has none, and of the CPU allocator's only the number helps."""
    wanted = WANTED.search(str(error))
    if wanted is not None:
        return f"no room for {_megabytes(int(wanted[1]))} more"
    line = " ".join(str(error).split("\n")[0].split())
    return (line[:LONGEST] or "no memory was left").rstrip(". ")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 50_000 else f"{size:,} bytes"


def _sizes(recipe: Recipe) -> str:
    train, data = recipe.train, recipe.data
    pictures = f"train.batch_size {train.batch_size}"
    if train.accumulate > 1:
        pictures += f" in train.accumulate {train.accumulate} parts"
    sizes = [pictures, f"train.precision {train.precision}"]
    if train.processes > 1:
        sizes.append(f"train.processes {train.processes}")
    if train.workers:
        sizes.append(f"train.workers {train.workers}")
    for key in ("image_size", "validation_size"):
        if getattr(data, key, None) is not None:
            sizes.append(f"data.{key} {getattr(data, key)}")
    return ", ".join(sizes)


def _hint(what: str, recipe: Recipe, folder: Path, device: str, step: int | None) -> str:
    train = recipe.train
    go_on = resume_command(folder) if step else ""
    settings, anew, words = list[str](), list[str](), "go on"
    parts = next_parts(train.batch_size, train.accumulate, train.processes)
    if what in ("measuring", "drawing"):
        anew.append("a smaller data.validation_size")
        if what == "drawing" and train.samples.count > 1:
            settings.append(f"--set train.samples.count={train.samples.count // 2}")
        elif what == "measuring" and step and step != train.steps:
            settings.append(f"--set train.metrics.every={2 * step}")
            words = "go on, and measure later or without the metric that needs most"
    elif parts is not None:
        settings.append(f"--set train.accumulate={parts}")
    if train.workers and device == "cpu":
        settings.append(f"--set train.workers={train.workers // 2}")
    size = getattr(recipe.data, "image_size", None)
    if isinstance(size, int) and size >= 64:
        anew.append(f"--set data.image_size={size * 3 // 4 // 16 * 16}")
    if train.precision != "bf16" and device != "cpu":
        anew.append("--set train.precision=bf16")
    anew.append("narrower networks (their width)")
    if not go_on:
        return f"train with {', '.join([*settings, *anew])}"
    where = "" if settings else " where there is more memory"
    return f"{words}{where}: {' '.join([go_on, *settings])}; or begin anew with {', '.join(anew)}"


def next_parts(batch_size: int, accumulate: int, processes: int) -> int | None:
    """Into how many more parts a batch can be cut; None where each holds one picture a process already."""
    parts = range(accumulate + 1, batch_size // processes + 1)
    return next((number for number in parts if batch_size % (number * processes) == 0), None)
