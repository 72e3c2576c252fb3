"""What is said of a training that cannot go on: what happened, and what usually helps. Needs no torch."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from toonforge.errors import Problem, RunError, ToonforgeError
from toonforge.events import Step, Warned
from toonforge.recipe.model import Recipe

SHOWN = 5
"""Of checkpoints, the newest that are named."""


def not_finite(step: Step, good: int, recipe: Recipe) -> Warned:
    """The warning that ends a run.

    Args:
        step: the losses as they were read, some of them infinite or nan, or all well again.
        good: steps done when all losses of all steps were last known to be finite.
    """
    when = f"at step {step.step}" if good == step.step - 1 else f"between step {good + 1} and step {step.step}"
    losses = [name for name, value in step.losses.items() if not math.isfinite(value)]
    return Warned(
        step=step.step,
        kind="not-finite",
        about=", ".join(losses) or "losses",
        message=f"a loss became infinite or not a number {when}"
        + (f"; at step {step.step} these are: {', '.join(losses)}" if losses else ""),
        hint=_hint(step, recipe),
    )


def _hint(step: Step, recipe: Recipe) -> str:
    train = recipe.train
    rates = sorted({f"{rate:.3g}" for rate in step.lr.values()})
    helps = [f"a lower learning rate (it was {' and '.join(rates)})" if rates else "a lower learning rate"]
    helps.append("train.clip = 1" if train.clip is None else f"a lower train.clip (it is {train.clip:g})")
    if train.precision == "bf16":
        helps.append('train.precision = "fp32"')
    return (
        f"begin a new run with {', '.join(helps[:-1])} or {helps[-1]}; a resume of this one would meet it again, "
        "since it repeats every step as it was"
    )


def ended_by(warning: Warned, newest: int | None) -> RunError:
    """The one message with which the run ends.

    Args:
        newest: the step of the newest checkpoint.
    """
    kept = f"checkpoints up to step {newest} are kept" if newest is not None else "there is no checkpoint yet"
    return RunError(Problem(message=f"{warning.message}; {kept}", hint=warning.hint))


def none_whole(run: Path, problems: Sequence[Problem]) -> RunError:
    """The one message where no checkpoint of a run can be loaded; `problems`: what is wrong with each."""
    each = [sentence(problem).replace(f"{run}{os.sep}", "") for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        each.append(f"and {len(problems) - SHOWN} older ones")
    return _nothing_to_resume(run, "\n".join(each))


def none_there(run: Path, told: Sequence[int]) -> RunError:
    """The one message where the checkpoints are gone of which a run's log tells; `told`: their steps."""
    steps = ", ".join(map(str, told[-SHOWN:]))
    which = f"checkpoints at steps {steps}" if len(told) > 1 else f"a checkpoint at step {steps}"
    return _nothing_to_resume(run, f"checkpoints/ holds none, but metrics.jsonl tells of {which}")


def _nothing_to_resume(run: Path, found: str) -> RunError:
    again = f"toonforge run {shlex.quote(str(run / 'recipe.toml'))} --out {shlex.quote(f'{run}-2')}"
    return RunError(
        Problem(
            message=f"no checkpoint of {run} can be resumed",
            found=found,
            expected="one checkpoint whose files are as they were written",
            hint=f"put back the folder of a checkpoint from a copy of the run, or train anew: {again}",
        )
    )


def sentence(problem: Problem) -> str:
    """What is wrong, as a note says it."""
    return f"{problem.message}: {problem.found}" if problem.found else problem.message


def in_a_line(error: Exception) -> str:
    """An error as the log's `end` has it."""
    if not isinstance(error, ToonforgeError):
        return f"{type(error).__name__}: {error}".split("\n")[0]
    return sentence(error.problems[0])
