"""What is said where memory runs out: what was being done, with which sizes, and what to change. Needs no torch."""

from __future__ import annotations

import shlex
from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.memory import done_at, is_out_of_memory
from toonforge.recipe.model import Recipe

LONGEST = 200
"""Characters of the error that are said."""


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
            found=f"{_said(error)}; with {', '.join(_sizes(recipe))}, on {device}",
            hint=_hint(what, recipe, folder, device, step),
        )
    )


def _said(error: Exception) -> str:
    """The error in a line; Python's own has none."""
    line = " ".join(str(error).split("\n")[0].split())
    return (line[:LONGEST] or "no memory was left").rstrip(". ")


def _sizes(recipe: Recipe) -> list[str]:
    train, data = recipe.train, recipe.data
    sizes = [
        f"train.batch_size = {train.batch_size}",
        f"train.accumulate = {train.accumulate}",
        f'train.precision = "{train.precision}"',
        f"train.processes = {train.processes}",
        f"train.workers = {train.workers}",
    ]
    for key in ("image_size", "validation_size"):
        if getattr(data, key, None) is not None:
            sizes.append(f"data.{key} = {getattr(data, key)}")
    return sizes


def _hint(what: str, recipe: Recipe, folder: Path, device: str, step: int | None) -> str:
    train = recipe.train
    go_on = f"toonforge run {shlex.quote(str(folder))} --resume" if step else ""
    looks = what in ("measuring", "drawing")
    resumable, anew = [], []
    parts = next_parts(train.batch_size, train.accumulate, train.processes)
    if looks:
        resumable.append("--set train.metrics.every=… (more seldom), or without the metric that needs most")
        anew.append("a smaller data.validation_size")
    elif parts is not None:
        resumable.append(f"--set train.accumulate={parts} (the same batches, in smaller parts)")
    if train.workers and device == "cpu":
        resumable.append(f"--set train.workers={train.workers // 2}")
    size = getattr(recipe.data, "image_size", None)
    if isinstance(size, int) and size >= 64:
        anew.append(f"--set data.image_size={size * 3 // 4 // 16 * 16}")
    if train.precision != "bf16" and device != "cpu":
        anew.append("--set train.precision=bf16")
    anew.append("narrower networks (their width)")
    said = [f"go on with {go_on} {' or '.join(resumable)}"] if go_on and resumable else []
    if not go_on:
        anew = [*resumable, *anew]
    elif not resumable:
        said.append(f"go on where there is more memory with {go_on}")
    return "; ".join([*said, f"or begin anew with {', '.join(anew)}" if said else f"train with {', '.join(anew)}"])


def next_parts(batch_size: int, accumulate: int, processes: int) -> int | None:
    """Into how many more parts a batch can be cut; None where each holds one picture a process already."""
    parts = range(accumulate + 1, batch_size // processes + 1)
    return next((number for number in parts if batch_size % (number * processes) == 0), None)
