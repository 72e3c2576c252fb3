"""Sweeps from Python, in the words of the command line."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toonforge.errors import ToonforgeError
from toonforge.recipe import find
from toonforge.sweeps.folder import SweepFolder
from toonforge.sweeps.grid import from_data
from toonforge.sweeps.plan import PlannedRun, make_plan
from toonforge.sweeps.results import Row
from toonforge.sweeps.work import Outcome, work


def sweep(
    recipes: str | Path | Sequence[str | Path],
    grid: Mapping[str, Sequence[Any]] | None = None,
    folder: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    listeners: Sequence[object] = (),
    cpu: bool = False,
) -> list[Row]:
    """Train the product of a grid of overrides, one run after the other, and compare the runs.

    All runs share this process, so that components registered here work; a row's `memory` is then the process's peak
    so far. (`toonforge sweep` gives each run a process of its own.)

    Args:
        recipes: a recipe file or a packaged recipe's name, or several: they are an axis of the grid.
        grid: key -> values, such as `{"train.batch_size": [1, 8, 64]}`; the last key varies fastest.
        folder: where the runs and the comparison go, empty or new unless `resume`; `sweeps/<recipe's name>` when left
            out.
        overrides: `KEY=VALUE` texts for every run, as given to `--set`.
        resume: skip what the folder holds finished, continue what was begun, try again what failed.
        listeners: objects with run hooks, told of every run.
        cpu: train on the CPU even where there is a GPU.

    Returns:
        One row a run, in order, also of those that failed or were not begun.

    Raises:
        ToonforgeError: for a recipe, a grid, data or a folder that cannot be used, before the first run begins.

    Examples:
        >>> import toonforge
        >>> rows = toonforge.sweep("small.toml", {"train.batch_size": [1, 2]}, "sweeps/small")
        >>> row: toonforge.Row = rows[0]
        >>> row.name, row.state, row.step, row.folder.name
        ('batch_size=1', 'finished', 2, 'batch_size=1')
    """
    sources = [recipes] if isinstance(recipes, str | Path) else list(recipes)
    plan = make_plan([str(source) for source in sources], from_data(grid or {}), overrides, begins=not resume)
    place = SweepFolder(Path(folder) if folder is not None else Path("sweeps") / plan.name)
    return list(work(plan, place, Here(listeners, cpu), resume=resume).rows)


class Here:
    """Trains runs in this process.

    Args:
        listeners: told of every run.
        cpu: stay on the CPU.
    """

    def __init__(self, listeners: Sequence[object] = (), cpu: bool = False) -> None:
        self.listeners, self.cpu = listeners, cpu

    def skip(self, run: PlannedRun, number: int) -> None:
        """Nothing to do."""

    def train(self, run: PlannedRun, number: int, folder: Path, resume: bool, lock: int | None) -> Outcome:
        """Train, and give back the memory."""
        import torch

        from toonforge.train.trainer import train

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        try:
            finished = train(
                run.recipe,
                folder=folder,
                source=find(run.source).path,
                resume=resume,
                listeners=self.listeners,
                cpu=self.cpu,
            )
        except ToonforgeError as error:
            return Outcome(problem=one_line(error))
        except Exception as error:  # a plugin's fault in one run must not cost the others
            return Outcome(problem=f"{type(error).__name__}: {error}", ours=True)
        finally:
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return Outcome(stopped=finished.reason == "interrupted")


def one_line(error: ToonforgeError) -> str:
    """An error's problems without their hints."""
    return "; ".join(
        ": ".join(part for part in (problem.key, problem.message) if part)
        + (f" ({problem.found})" if problem.found else "")
        for problem in error.problems
    )
