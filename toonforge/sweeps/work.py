"""A sweep at work: one run after the other, the comparison written anew after each."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import attrs

from toonforge.report.comparison import Comparison, write
from toonforge.sweeps.folder import SweepFolder
from toonforge.sweeps.plan import Plan, PlannedRun
from toonforge.sweeps.results import Row, read_row, state_of


@attrs.frozen(kw_only=True)
class Outcome:
    """How one start of a run ended.

    Attributes:
        stopped: whether it was asked to stop: the sweep stops too.
        problem: why it failed, if it did.
        ours: whether that is a fault of the program, and no mistake of the user's.
    """

    stopped: bool = False
    problem: str | None = None
    ours: bool = False


class Trainer(Protocol):
    """Trains the runs of a sweep."""

    def skip(self, run: PlannedRun, number: int) -> None:
        """Run `number`, counted from 1, is finished already."""

    def train(self, run: PlannedRun, number: int, folder: Path, resume: bool, lock: int | None) -> Outcome:
        """Train a run to its end, or on from its newest checkpoint.

        `lock`: a descriptor that a process of the run's own inherits, to hold the sweep's folder.
        """


@attrs.frozen(kw_only=True)
class Done:
    """How a sweep ended.

    Attributes:
        rows: every run, in order.
        stopped: whether it was asked to stop before its end.
        ours: whether a run failed by a fault of the program.
        comparison: what compares the runs, as far as it could be made.
    """

    rows: tuple[Row, ...]
    stopped: bool
    ours: bool
    comparison: Comparison


def work(plan: Plan, folder: SweepFolder, trainer: Trainer, *, resume: bool, processes: int | None = None) -> Done:
    """Train every run that is not finished, in the plan's order.

    A run that fails is recorded, and the rest go on; a resume tries it again. What a run has done lies in its own
    folder, so whatever ends this process costs no more than the steps since a run's last checkpoint.

    Raises:
        RunError: for a folder that cannot be used or written.
    """
    if resume:
        folder.resume(plan)
    else:
        folder.begin(plan, processes)
    stopped = ours = False
    with folder.alone() as lock:
        for number, run in enumerate(plan.runs, 1):
            place = folder.run(run)
            state = state_of(place)
            if state == "finished":
                trainer.skip(run, number)
                continue
            folder.problems.pop(run.name, None)
            outcome = trainer.train(run, number, place, state == "started", lock)
            ours |= outcome.ours
            if outcome.problem is not None:
                folder.problems[run.name] = outcome.problem
            folder.save(plan, processes)
            write(folder.runs(plan), folder.name, folder.path, page=False)
            if outcome.stopped:
                stopped = True
                break
        folder.save(plan, processes)
        runs = folder.runs(plan)
        comparison = write(runs, folder.name, folder.path)
    return Done(rows=tuple(map(read_row, runs)), stopped=stopped, ours=ours, comparison=comparison)
