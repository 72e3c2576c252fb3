"""What a run saves and restores: its checkpoints, the best of them, and how weights describe themselves."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from toonforge import events
from toonforge.errors import Problem
from toonforge.memory import doing
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import component_data
from toonforge.runs import log
from toonforge.runs.disk import writing
from toonforge.runs.folder import RunFolder, remeasures
from toonforge.runs.inventory import read_inventory
from toonforge.runs.log import read_events
from toonforge.runs.metadata import FORMAT
from toonforge.train.best import Made, Ranking, Seen, logged_measurements
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.failures import none_there, none_whole, sentence
from toonforge.train.remembered import forget, recalled, remember
from toonforge.train.saved import Saved
from toonforge.train.step import Training
from toonforge.train.telling import Telling
from toonforge.validation.validation import flat

if TYPE_CHECKING:
    from accelerate import Accelerator


class Saving:
    """The checkpoints of one start of a run; every process calls its methods together.

    Args:
        recipe: what is trained.
        folder: of the run.
        training: what is saved and restored.
        accelerator: the processes.
        telling: hears of checkpoints and bests.

    Attributes:
        saved: the step of the newest checkpoint of this start; None before the first.
        best: the best measurement, where the recipe asks for one; on the main process.
    """

    def __init__(
        self, recipe: Recipe, folder: RunFolder, training: Training, accelerator: Accelerator, telling: Telling
    ) -> None:
        self.recipe, self.folder, self.training, self.accelerator = recipe, folder, training, accelerator
        self.telling = telling
        self.checkpoints = Checkpoints(
            folder.checkpoints,
            recipe.train.checkpoint.keep,
            accelerator.process_index,
            accelerator.num_processes,
            accelerator.wait_for_everyone,
        )
        self.ranking = Ranking.of(recipe)
        self.saved: int | None = None
        self.best: events.Best | None = None

    # -- checkpoints --------------------------------------------------------------------------------------------

    def save(self, step: int) -> None:
        """Write the checkpoint of a step, if it is not there yet."""
        if self.saved == step:
            return
        if self.telling.main:
            self.folder.sync_log()  # a resume writes nothing of before its checkpoint again
        with writing(self.folder.path), doing("saving a checkpoint"):
            folder = self.checkpoints.save(step, self._saved())
        self.saved = step
        self.telling.write("checkpoint", step, folder=self._relative(step))
        self.telling.tell("checkpoint_saved", checkpoint=events.Checkpoint(step=step, folder=folder))

    def restore(self) -> tuple[int, list[str], list[str]]:
        """Load the newest checkpoint that is whole and this run's.

        Returns:
            Its step; what is wrong with newer ones; and what else the user should know; the latter two in words.
        """
        saved, problems, found = self._saved(), list[Problem](), -1
        if self.accelerator.is_main_process:
            with writing(self.folder.path):
                self.checkpoints.clean()
            newest, problems = self.checkpoints.newest_whole(saved)
            if newest is None and problems:
                raise none_whole(self.folder.path, problems)
            told = [event["step"] for event in read_events(self.folder.path) if event["event"] == "checkpoint"]
            if newest is None and told:
                raise none_there(self.folder.path, sorted({*told}))
            if newest is not None:
                found = read_inventory(newest).step
                with writing(self.folder.path):
                    # The process that wrote it may have been killed before it did.
                    self.checkpoints.name_latest(found)
        # One process decides: a read that fails in one of them alone would part them.
        found = self._shared(found + 1) - 1
        damaged = [*(sentence(problem) for problem in problems), *self._lost_of_the_log(found)]
        if found < 0:
            return 0, damaged, ["there is no checkpoint yet: beginning at step 0"]
        with doing("loading a checkpoint"):
            self.saved, notes = self.checkpoints.load(self.checkpoints.path(found), saved)
        return self.saved, damaged, notes

    def _lost_of_the_log(self, step: int) -> list[str]:
        """What cannot be read of the log, which is kept as it is before that is dropped; in words."""
        path = self.folder.path
        lost = log.damage(path) if self.accelerator.is_main_process else None
        if lost is None or (step <= 0 and not log.begun(path)):
            return []
        with writing(path):
            aside = log.set_aside(path)
        kept = f"; the file as it was is kept as {aside.name}" if aside is not None else ""
        return [f"{lost}: curves and measurements begin anew where they are lost{kept}"]

    def _shared(self, number: int) -> int:
        """The main process's number, on every process."""
        if self.accelerator.num_processes == 1:
            return number
        own = torch.tensor([number if self.accelerator.is_main_process else 0], device=self.accelerator.device)
        return int(self.accelerator.reduce(own, reduction="sum").item())

    def _relative(self, step: int) -> str:
        return self.checkpoints.path(step).relative_to(self.folder.path).as_posix()

    def _saved(self) -> Saved:
        return Saved(
            networks=self.training.networks,
            metadata={name: self._describe(name) for name in self.training.networks},
            average=self.training.average,
            optimizers=self.training.optimizers,
            memory=self.training.memory,
            run={"recipe": self.recipe.name, "seed": self.recipe.train.seed},
        )

    def _describe(self, name: str) -> Mapping[str, Any]:
        """What the weights file of a network says of itself, so that it can be used without the recipe."""
        recipe = self.recipe
        return {
            "format": FORMAT,
            "network": name,
            "kind": type(recipe.modules[name]).kind,
            "component": component_data(recipe.modules[name]),
            "recipe": recipe.name,
            "translations": {target: expr.text for target, expr in recipe.translations.items()},
            "signals": {signal: expr.text for signal, expr in recipe.signals.items()},
            "value_range": [-1, 1],
            "image_size": max((max(s[1:]) for g in recipe.data.groups().values() for s in g.values()), default=None),
        }

    # -- the best of them ---------------------------------------------------------------------------------------

    def judge(self, step: int, measured: events.Measured | None, stopped: bool = False) -> tuple[bool, bool, bool]:
        """Rank a measurement: one small message to the other processes, where there are some.

        Args:
            measured: on the main process, where it was measured; None on the others.
            stopped: whether this process was stopped before it was done.

        Returns:
            Whether it is better than all before, so that this step's checkpoint is to be saved and named; whether the
            training should end, since patience is at its end; and whether any process was stopped.
        """
        better = over = False
        if measured is not None and self.ranking is not None and not measured.complete:
            left_out = "it is left out of the ranking for the best, since pictures could not be read just now"
            print(f"note: {self.ranking.metric} at step {step}: {left_out}", file=sys.stderr)
        elif measured is not None and self.ranking is not None:
            before = self.ranking.count
            made = Made.of(measured.about.get(self.ranking.name))
            better = self.ranking.add(step, Seen(flat(measured.metrics), made))
            over = self.ranking.over
            if self.ranking.count < before:
                note = f"at step {step} {_no_longer(self.ranking.metric, before)}"
                self.telling.write("changed", step, change=note)
                print(f"note: {note}", file=sys.stderr)
        better, over, stopped = self._agreed(better, over, stopped)
        return better, over, stopped

    def name_best(self, step: int, known: bool = False) -> None:
        """Let `best` name the best checkpoint, which is on the disk.

        Args:
            step: steps done.
            known: whether the log tells of it already.
        """
        if not self.accelerator.is_main_process or self.ranking is None or self.ranking.best is None:
            return
        self.best = best = self.ranking.best
        with writing(self.folder.path):
            remember(self.checkpoints.folder, best, self.ranking.made)
            self.checkpoints.name_best(best.step, step)
        if not known:
            checkpoint = self._relative(best.step)
            self.telling.write("best", best.step, metric=best.metric, value=best.value, checkpoint=checkpoint)
        self.telling.tell("best_improved", best=best)

    def restore_best(self, step: int, changes: Sequence[str] = ()) -> tuple[bool, list[str]]:
        """Find the best anew in the log, which knows nothing after `step`.

        Args:
            changes: what this resume changes, in words, which the log does not know yet.

        Returns:
            Whether patience was at its end already, and what the user should know.
        """
        over, notes = False, list[str]()
        if self.accelerator.is_main_process:
            logged = list(read_events(self.folder.path))
            if self.saved is not None and not any(e["event"] == "checkpoint" and e["step"] == step for e in logged):
                self.telling.write("checkpoint", step, folder=self._relative(step))
            known = {event.get("change") for event in logged if event["event"] == "changed"}
            with writing(self.folder.path):
                notes = [note for note in self._restore_best(step, logged, changes) if note not in known]
            over = self.ranking is not None and self.ranking.over
        return self._agreed(over)[0] if self.ranking is not None else False, notes

    def _restore_best(self, step: int, logged: list[dict[str, Any]], changes: Sequence[str]) -> list[str]:
        said = [
            events.Best(metric=e["metric"], value=e["value"], step=e["step"]) for e in logged if e["event"] == "best"
        ]
        if self.ranking is None:
            stays = self._keep_former(step, said)
            return [f"{stays} is kept: no other can take its place; checkpoints/best names it"] if stays else []
        ranking, notes = self.ranking, list[str]()
        measured = logged_measurements(logged, ranking.metric)
        folder, named = self.checkpoints.folder, self.checkpoints.best()
        remembered = recalled(folder, ranking.metric, named, step, logged)
        notes += [
            f"step {at}, the best by {ranking.metric} ({seen.values[ranking.metric]:.4g}), is kept until a better one "
            "is measured: checkpoints/best.json knows it, which the log does not"
            for at, seen in remembered.items()
        ]
        measured = {**measured, **remembered}
        before = sum(ranking.metric in seen.values for seen in measured.values())
        changed = any(remeasures(change, ranking.metric) for change in changes)
        ranking.restore({} if changed else measured, self.checkpoints.whole)
        if before and not ranking.count:
            notes.append(_no_longer(ranking.metric, before))
        best, lost = ranking.best, ranking.lost
        if lost is not None:
            rest = f"the best that has one is {best.value:.4g} of step {best.step}" if best else "no other has one"
            words = f"{lost.metric} was best at step {lost.step} ({lost.value:.4g}), which has no whole checkpoint"
            notes.append(f"{words}: {rest}")
        if best is None:
            stays = self._keep_former(step, said)
            notes += [f"{stays} is kept until a measurement of {ranking.metric} takes its place"] if stays else []
            return notes
        self.best, former = best, named
        known = [(b.metric, b.step) for b in said[-1:]] == [(best.metric, best.step)]
        if former != best.step or not known:
            if former is not None and former != best.step and said and said[-1].metric != best.metric:
                now = f"step {best.step}, the best by {best.metric} ({best.value:.4g})"
                notes.append(f"{_named(former, said)} gives its place to {now}")
            self.name_best(step, known)
        remember(folder, best, ranking.made)
        return notes

    def _keep_former(self, step: int, said: Sequence[events.Best]) -> str | None:
        """The checkpoint that `best` names, though nothing that counts says so, in words; None where it is useless."""
        former = self.checkpoints.best()
        forget(self.checkpoints.folder)  # what it was measured at is no measure for those to come
        if former is not None and self.checkpoints.whole(former):
            return _named(former, said)
        self.checkpoints.name_best(None, step)
        return None

    def why_over(self) -> str:
        """That an earlier start came to the end of its patience, in words, and how to go on."""
        rule = self.recipe.train.metrics
        known = f" (best {self.best.value:.4g} at step {self.best.step})" if self.best is not None else ""
        return (
            f"the training ended early here: {rule.best} had not improved for {rule.patience} measurements{known}; to "
            f"go on, give more patience: --set train.metrics.patience={2 * (rule.patience or 0)}"
        )

    def _agreed(self, *flags: bool) -> tuple[bool, ...]:
        """What the main process found, on every process."""
        if self.accelerator.num_processes == 1:
            return flags
        row = torch.tensor([float(flag) for flag in flags], device=self.accelerator.device)
        return tuple(value > 0 for value in self.accelerator.reduce(row, reduction="sum").tolist())


def _no_longer(metric: str, count: int) -> str:
    counts = f"its {count} earlier measurements no longer count" if count > 1 else "its earlier one no longer counts"
    return f"{metric} begins to be measured in another way: {counts} for the best"


def _named(step: int, said: Sequence[events.Best]) -> str:
    """A checkpoint, and by what it was the best."""
    by = next(
        (f"the best by {best.metric} ({best.value:.4g})" for best in reversed(said) if best.step == step), "the best"
    )
    return f"step {step}, {by} until now,"
