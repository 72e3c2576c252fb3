"""A run from its first step (or its newest checkpoint) to its last: when what is done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import attrs
import torch

from toonforge import events
from toonforge.components import Count
from toonforge.data.loader import TrainLoader
from toonforge.data.order import steps_per_epoch
from toonforge.data.prefetch import on_device
from toonforge.data.used import only_used
from toonforge.errors import Problem, RunError
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.recipe.readiness import verify
from toonforge.runs.folder import RunFolder
from toonforge.train.beginning import describe_run, observers, run_info, start_event
from toonforge.train.failures import in_a_line, out_of_memory
from toonforge.train.looking import Looking
from toonforge.train.phases import total_steps
from toonforge.train.process import Interrupts, in_group
from toonforge.train.saving import Saving
from toonforge.train.state import DTYPES
from toonforge.train.step import Training, make_accelerator
from toonforge.train.telling import Telling
from toonforge.validation.validation import Validation


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
        How the run ended. Ctrl-C and SIGTERM save a checkpoint first ("interrupted"); a second Ctrl-C leaves at once.
        Where `train.metrics.patience` comes to its end, a checkpoint is saved too ("no-improvement").

    Raises:
        DataError, RunError: for data or folders that cannot be used, a loss that became infinite or nan.
    """
    joined_before = in_group()
    try:
        trainer = Trainer(recipe, RunFolder(folder), listeners, cpu)
        with trainer.folder.alone(resume) if trainer.main else nullcontext():
            return trainer.run(source, resume)
    finally:
        if not joined_before and in_group():
            # Threads of the group that are still there when the process ends may abort it.
            torch.distributed.destroy_process_group()


class Trainer:
    """One start of a run. See `train`."""

    def __init__(self, recipe: Recipe, folder: RunFolder, listeners: Sequence[object], cpu: bool) -> None:
        self.recipe, self.folder = recipe, folder
        verify(recipe)
        self.accelerator = make_accelerator(recipe.train.precision, cpu)
        self.main: bool = self.accelerator.is_main_process
        used = Graph(recipe.modules, recipe.signals).trained_fields(recipe.phases)
        self.source = only_used(recipe.data.build("train"), recipe.data.groups(), used)
        self.epoch = steps_per_epoch(self.source.sizes, recipe.train.batch_size)
        self.total = total_steps(recipe.train, self.epoch)
        self.training = Training(recipe, self.total, self.epoch, self.accelerator)
        self.telling = Telling(folder, self.main, listeners)
        self.saving = Saving(recipe, folder, self.training, self.accelerator, self.telling)
        validation = self._validation()
        self.looking = Looking(recipe, self.training, validation, self.telling, self.saving.checkpoints, self.total)
        self.interrupts = Interrupts(self.telling.stopping)
        self.done = 0
        self.over = False
        self._first = 0
        self._logged = (0, 0.0)

    def _validation(self) -> Validation | None:
        recipe = self.recipe
        if not self.main or not (recipe.translations or recipe.metrics):
            return None
        source, dtype = recipe.data.build("validation"), DTYPES[recipe.train.precision]
        return Validation(recipe, source, self.folder, self.accelerator.device, dtype, self._skip)

    # -- the run ----------------------------------------------------------------------------------------------

    def run(self, source: Path | None, resume: bool) -> events.Finished:
        """Train until the end, until nothing improves any more, or until interrupted."""
        began = time.perf_counter()
        changes = self._describe(source, resume) if self.main else []
        self.accelerator.wait_for_everyone()
        notes = self._restore(changes) if resume else ()
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
            self._ending(began),
            self.interrupts.caught(),
        ):
            self.telling.write("start", self.done, **start_event(self.recipe, run, self.training.phases))
            self.telling.tell("run_started")
            self._first, self._logged = self.done, (self.done, time.perf_counter())
            if not self.over:
                self._steps()
            finished = self._finish(began)
        return finished

    def _describe(self, source: Path | None, resume: bool) -> list[str]:
        parts = {"train": self.source}
        if self.looking.validation is not None:
            parts["validation"] = self.looking.validation.source
        return describe_run(self.recipe, self.folder, source, resume, parts)

    def _restore(self, changes: Sequence[str]) -> tuple[str, ...]:
        """Load the newest whole checkpoint, and what the log says until then; returns what the user should know."""
        self.done, damaged = self.saving.restore()
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
        self.looking.restore(self.done)
        over, lost = self.saving.restore_best(self.done, changes)
        self.over = over and self.done < self.total
        for change in (*changes, *lost):
            self.telling.write("changed", self.done, change=change)
        for problem in damaged:
            self.telling.write("damaged", self.done, problem=problem)
        return (*changes, *damaged, *lost, *([self.saving.why_over()] if self.over else []))

    def _steps(self) -> None:
        train = self.recipe.train
        loader = TrainLoader(
            self.source,
            seed=train.seed,
            batch_size=train.batch_size,
            start_step=self.done,
            total_steps=self.total,
            rank=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
            parts=train.accumulate,
            workers=train.workers,
            pin_memory=self.accelerator.device.type == "cuda",
        )
        for batch in on_device(loader, self.accelerator.device):
            for path, reason in batch.skipped.items():
                self._skip(path, reason)
            self.training.step(self.done, batch.parts)
            self.done += 1
            last = self.done == self.total
            if last or self.done == 1 or self._due(train.log.every):
                self._log()
            stop = self._should_stop()
            with self._apart_from_speed():
                if self._due(train.samples.every) and not last:
                    self.looking.draw(self.done)
                if train.metrics.every is not None and self._due(train.metrics.every) and not last:
                    self._measure()
                if last or stop or self._due(train.checkpoint.every):
                    self._save()
            if stop or self.over:
                break
        self._save()

    @contextmanager
    def _apart_from_speed(self) -> Iterator[None]:
        """Keep the time of what is no step out of the images per second."""
        began = time.perf_counter()
        yield
        step, then = self._logged
        self._logged = (step, then + time.perf_counter() - began)

    def _due(self, every: Count) -> bool:
        interval = max(1, every.in_steps(self.epoch))
        return self.done % interval == 0

    def _should_stop(self) -> bool:
        if self.accelerator.num_processes == 1:
            return self.interrupts.asked
        # All processes must leave after the same step; asking at every step would wait for the device each time.
        if not (self._due(self.recipe.train.log.every) or self.done == self.total):
            return False
        flag = torch.tensor(float(self.interrupts.asked), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum") > 0)

    # -- what a step leads to -----------------------------------------------------------------------------------

    def _log(self) -> None:
        step = self.looking.read(self.done)
        now = time.perf_counter()
        before, then = self._logged
        speed = (self.done - before) * self.recipe.train.batch_size / max(now - then, 1e-9)
        self._logged = (self.done, now)
        with self._apart_from_speed():
            self.looking.logged(attrs.evolve(step, images_per_second=speed))

    def _save(self) -> None:
        if self.saving.saved != self.done:
            if self.looking.good != self.done:
                self.looking.read(self.done)
            self.saving.save(self.done)

    def _measure(self) -> None:
        """Measure, keep the checkpoint if it is the best, and see whether patience is at its end."""
        better, self.over = self.saving.judge(self.done, self.looking.measure(self.done))
        if better:
            self._save()
            self.saving.name_best(self.done)

    # -- the end ------------------------------------------------------------------------------------------------

    def _finish(self, began: float) -> events.Finished:
        reason = "done" if self.done == self.total else "no-improvement" if self.over else "interrupted"
        grid = self.looking.draw(self.done)
        # Where patience came to its end in this start, this step is measured already.
        if reason == "done" or (reason == "no-improvement" and self.done == self._first):
            self._measure()
        finished = self._finished(reason, began, grid)
        self.telling.write("end", self.done, reason=reason, seconds=finished.seconds)
        self.telling.tell("run_finished", finished=finished)
        self.accelerator.wait_for_everyone()
        return finished

    def _finished(self, reason: str, began: float, grid: Path | None = None) -> events.Finished:
        measured = self.looking.measured
        if measured is not None and measured.step != self.done:
            measured = None
        return events.Finished(
            step=self.done,
            reason=reason,
            metrics=measured.metrics if measured is not None else {},
            about=measured.about if measured is not None else {},
            pictures=measured.pictures if measured is not None else {},
            grid=grid,
            best=self.saving.best,
            warnings=tuple(self.telling.warnings),
            skipped=self.telling.skipped,
            seconds=time.perf_counter() - began,
        )

    @contextmanager
    def _ending(self, began: float) -> Iterator[None]:
        """Write down why a run ends before its end, as far as that can be written."""
        try:
            yield
        except KeyboardInterrupt:
            self._end_early("interrupted", "left at once", began)
            raise
        except Exception as error:
            told = out_of_memory(self.done, error) if isinstance(error, torch.cuda.OutOfMemoryError) else error
            self._end_early("failed", in_a_line(told), began)
            with suppress(Exception):  # the failure is what is told of, whatever fails while it is
                self.telling.tell("run_finished", finished=self._finished("failed", began))
            if told is error:
                raise
            raise told from error

    def _end_early(self, reason: str, message: str, began: float) -> None:
        with suppress(RunError):
            self.telling.write("end", self.done, reason=reason, message=message, seconds=time.perf_counter() - began)

    # -- who is told --------------------------------------------------------------------------------------------

    def _skip(self, path: str, reason: str) -> None:
        self.telling.skip(self.done, path, reason)
