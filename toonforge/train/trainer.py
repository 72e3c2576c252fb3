"""A run from its first step (or its newest checkpoint) to its last: when what is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import attrs
import torch

from toonforge import events
from toonforge.blame import built
from toonforge.components import Count
from toonforge.data.loader import Batch
from toonforge.data.order import steps_per_epoch
from toonforge.data.prefetch import on_device
from toonforge.data.used import only_used
from toonforge.errors import Problem, RunError
from toonforge.memory import doing
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.recipe.readiness import verify
from toonforge.runs.disk import room_for
from toonforge.runs.folder import RunFolder
from toonforge.speed import pages
from toonforge.train.accelerating import PATIENCE, has_accelerator, make_accelerator
from toonforge.train.batches import loader_of, reads_ahead, safely
from toonforge.train.beginning import (
    Described,
    describe_run,
    observers,
    run_info,
    start_event,
    start_from_others,
)
from toonforge.train.ending import Ending
from toonforge.train.first_weights import read_first
from toonforge.train.looking import Looking
from toonforge.train.meeting import find_run
from toonforge.train.pace import Pace, pace_of
from toonforge.train.phases import total_steps
from toonforge.train.process import in_group
from toonforge.train.saving import Saving
from toonforge.train.short import short_of_memory
from toonforge.train.state import DTYPES
from toonforge.train.step import Training
from toonforge.train.stopping import Stopped, Stopping
from toonforge.train.telling import News, Telling
from toonforge.validation.validation import Validation
from toonforge.weights.origin import find_origins


def train(
    recipe: Recipe,
    *,
    folder: Path,
    source: Path | None = None,
    resume: bool = False,
    listeners: Sequence[object] = (),
    cpu: bool = False,
) -> events.Finished:
    """Train a recipe into a run folder.

    Args:
        recipe: from `toonforge.load_recipe`.
        folder: the run's folder; it must not hold anything yet, unless `resume`.
        source: the recipe's file, copied into the run.
        resume: continue the run that the folder holds from its newest whole checkpoint.
        listeners: objects with run hooks (`toonforge.plugins.hookspecs`), besides the installed plugins.
        cpu: train on the CPU even where there is a GPU.

    Returns:
        How the run ended. Ctrl-C and SIGTERM save a checkpoint ("interrupted"), and the resume draws and measures first
        what was due there; a second Ctrl-C leaves at once. Where `train.metrics.patience` comes to its end, a
        checkpoint is saved too ("no-improvement").

    Raises:
        DataError, RunError: for data or folders that cannot be used, a loss that became infinite or nan.
    """
    joined_before = in_group()
    try:
        with room_for(folder):
            trainer = Trainer(recipe, RunFolder(folder), listeners, cpu, resume)
            with trainer.folder.alone(resume) if trainer.main else nullcontext():
                return trainer.run(source, resume)
    except Exception as error:  # of training, the ending has told already
        told = short_of_memory(error, recipe, folder, "cpu" if cpu or not has_accelerator() else "the device", None)
        if told is None:
            raise
        raise told from error
    finally:
        pages.give_back()
        if not joined_before and in_group():
            # Threads of the group that are still there when the process ends may abort it.
            torch.distributed.destroy_process_group()


class Trainer:
    """One start of a run. See `train`."""

    def __init__(
        self, recipe: Recipe, folder: RunFolder, listeners: Sequence[object], cpu: bool, resume: bool = False
    ) -> None:
        self.recipe, self.folder = recipe, folder
        verify(recipe, begins=False)
        self.accelerator = make_accelerator(recipe.train.precision, cpu)
        self.main: bool = self.accelerator.is_main_process
        used = Graph(recipe.modules, recipe.signals).trained_fields(recipe.phases)
        self.source = only_used(built(recipe.data, "data", "train"), recipe.data.groups(), used)
        self.epoch = steps_per_epoch(self.source.sizes, recipe.train.batch_size)
        self.total = total_steps(recipe.train, self.epoch)
        with doing("building the networks"):
            self.training = Training(recipe, self.total, self.epoch, self.accelerator)
        if self.main and not resume:  # refused before a folder is made
            read_first(find_origins(recipe), self.training.networks)
        self.telling = Telling(folder, self.main, listeners)
        self.stopping = Stopping(self.telling.stopping, PATIENCE)
        self.saving = Saving(recipe, folder, self.training, self.accelerator, self.telling)
        self.looking = Looking(
            recipe, self.training, self._validation(), self.telling, self.saving.checkpoints, self.total
        )
        self.ending = Ending(self.telling, self.looking, self.saving, lambda: self.done)
        self.done = 0
        self.over = False
        self.stopped = False
        self.pace = Pace(0, recipe.train.batch_size)

    def _validation(self) -> Validation | None:
        recipe = self.recipe
        if not self.main or not (recipe.translations or recipe.metrics):
            return None
        return Validation(
            recipe,
            built(recipe.data, "data", "validation"),
            self.folder,
            self.accelerator.device,
            DTYPES[recipe.train.precision],
            skipped=self._skip,
            write=self.telling.write,
            check=self.stopping.check,
            retried=lambda path, retried: self.telling.retry(self.done, path, retried),
        )

    # -- the run ----------------------------------------------------------------------------------------------

    def run(self, source: Path | None, resume: bool) -> events.Finished:
        """Train until the end, until nothing improves any more, or until interrupted."""
        described = self._describe(source, resume) if self.main else Described()
        self.accelerator.wait_for_everyone()
        find_run(self.folder.path, self.accelerator.process_index)
        notes = self._restore(described) if resume else ()
        if self.done == 0:
            notes = (*notes, *start_from_others(self.recipe, self.folder, self.training, self.telling))
        run = run_info(
            self.recipe,
            self.folder,
            self.training,
            first_step=self.done,
            total_steps=self.total,
            steps_per_epoch=self.epoch,
            notes=notes,
            idle=self.over or self.done == self.total,
        )
        with (
            self.telling.listening(run, observers(self.recipe, self.folder, self.accelerator)),
            self.ending.early(),
            self.stopping.caught(),
        ):
            self.telling.write("start", self.done, **start_event(self.recipe, run, self.training))
            self.telling.tell("run_started")
            self.pace = pace_of(self.accelerator.device, self.done, self.recipe.train.batch_size)
            if self.done < self.total:  # otherwise all is looked at in a moment, in its order
                self._look()  # an earlier start may have been ended between a checkpoint and what was due with it
            if not self._ended():
                self._steps()
            reason = self._finish()
            self.stopping.over = True
            finished = self.ending.tell(reason)
            self.accelerator.wait_for_everyone()
        return finished

    def _describe(self, source: Path | None, resume: bool) -> Described:
        parts = {"train": self.source}
        if self.looking.validation is not None:
            parts["validation"] = self.looking.validation.source
        return describe_run(self.recipe, self.folder, source, resume, parts)

    def _restore(self, described: Described) -> tuple[str, ...]:
        """Load the newest whole checkpoint, and what the log says until then; returns what the user should know."""
        self.done, damaged, others = self.saving.restore()
        changes = described.changes
        if self.done > self.total:
            raise RunError(
                Problem(
                    message=f"{self.folder.path} is already at step {self.done}",
                    found=f"a recipe of {self.total} steps",
                    hint="give more with --set train.steps=… or train.epochs=…",
                )
            )
        if self.main:
            self.folder.truncate_log(self.done)
            self.folder.remove_pictures(self.done)
        self.looking.restore(self.done, changes)
        over, lost = self.saving.restore_best(self.done, changes)
        self.over = over and self.done < self.total
        for change in (*changes, *others, *lost):
            if change not in described.known:
                self.telling.write("changed", self.done, change=change)
        for problem in damaged:
            self.telling.write("damaged", self.done, problem=problem)
        described.write()  # after the changes are in the log: a kill between the two does not hide them
        return (*changes, *others, *damaged, *lost, *([self.saving.why_over()] if self.over else []))

    # -- its steps --------------------------------------------------------------------------------------------

    def _steps(self) -> None:
        """Every step, and what follows it: losses are logged, a checkpoint is saved, pictures are drawn and measured.

        Saving comes first: whatever ends the process while it draws or measures, no step is lost. And a stop leaves out
        what is due then: the resume begins with it.
        """
        loader = loader_of(
            self.recipe.train,
            self.source,
            self.accelerator,
            self.folder.path,
            start_step=self.done,
            total_steps=self.total,
        )
        batches = on_device(loader, self.accelerator.device)

        def slow(seconds: float) -> None:
            self.telling.late(self.done, seconds, loader.reading)

        def hear(news: Sequence[News]) -> None:
            self.telling.hear(self.done, news)

        ahead = reads_ahead(loader, self.accelerator)
        waiting = self.stopping.waiting(batches, slow, self.telling.news, hear, ahead, self.pace.waiting)
        with closing(waiting) as batches, self._stoppable():
            for batch in safely(batches, self._save_alone):
                self._step(batch)
                last = self.done == self.total
                if last or self.done == 1 or self._due(self.recipe.train.log.every):
                    self._log()
                self.stopped = not last and self._should_stop()
                if last or self.stopped or self._due(self.recipe.train.checkpoint.every):
                    self._save()
                if not last and not self.stopped:
                    self._look()
                if self._ended():
                    break
        self._save()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        try:
            yield
        except Stopped:
            self.stopped = True

    def _step(self, batch: Batch) -> None:
        self.telling.arrived(self.done, batch)
        self.training.step(self.done, batch.parts)
        self.done += 1

    def _due(self, every: Count | None) -> bool:
        return every is not None and self.done > 0 and self.done % max(1, every.in_steps(self.epoch)) == 0

    def _should_stop(self) -> bool:
        return self.stopping.agreed()

    def _ended(self) -> bool:
        return self.stopped or self.over or self.done == self.total

    # -- what a step leads to -----------------------------------------------------------------------------------

    def _log(self) -> None:
        step = self.looking.read(self.done)
        rate = self.pace.since(self.done)
        with self.pace.held():
            self.looking.logged(attrs.evolve(step, images_per_second=rate.pictures, data=rate.waiting))

    def _save(self) -> None:
        if self.saving.saved != self.done and self.done > 0:
            with self.pace.held():
                if self.looking.good != self.done:
                    self.looking.read(self.done)
                self.saving.save(self.done)

    def _save_alone(self) -> None:
        if self.accelerator.num_processes == 1:  # others would have to save with this one
            self._save()

    def _look(self, at_the_end: bool = False) -> None:
        """Draw and measure what is due after this step and was not done yet, as the log says; keep the best.

        On the main process alone: the others wait to hear what came of it.
        """
        draws = at_the_end or self._due(self.recipe.train.samples.every)
        measures = at_the_end or self._due(self.recipe.train.metrics.every)
        if not draws and not measures:
            return
        with self.pace.held():
            measured = None
            with self._stoppable():
                if draws:
                    self.looking.draw(self.done)
                if measures:
                    measured = self.looking.measure(self.done)
                    pages.trim()  # a metric's network takes memory that no step needs
            better, over, self.stopped = self.saving.judge(self.done, measured, self.stopped)
            self.over = self.over or over
            if better:
                self._save()
                self.saving.name_best(self.done)

    # -- the end ------------------------------------------------------------------------------------------------

    def _finish(self) -> str:
        """Look a last time at a training that is at its end; returns how it ends."""
        if self.done == self.total or self.over:
            self._look(at_the_end=True)
        if self.stopped:
            return "interrupted"
        return "done" if self.done == self.total else "no-improvement"

    # -- who is told --------------------------------------------------------------------------------------------

    def _skip(self, path: str, reason: str) -> None:
        self.telling.skip(self.done, path, reason)
