"""A run from its first step (or its newest checkpoint) to its last: loops, logs, saves, and tells listeners."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from toonforge import events, registries
from toonforge.components import Count
from toonforge.data.loader import TrainLoader
from toonforge.data.order import steps_per_epoch
from toonforge.data.prefetch import on_device
from toonforge.data.used import only_used
from toonforge.errors import Problem, RunError
from toonforge.inference import Inference
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.recipe.readiness import verify
from toonforge.recipe.resolved import component_data
from toonforge.runs.folder import RunFolder, fingerprint, writing
from toonforge.runs.metadata import FORMAT
from toonforge.train.checkpoint import Checkpoints, Saved
from toonforge.train.phases import total_steps
from toonforge.train.process import Interrupts, in_group, peak_memory
from toonforge.train.state import DTYPES
from toonforge.train.step import Training, make_accelerator
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

    Raises:
        DataError, RunError: for data or folders that cannot be used, a loss that became infinite or nan.
    """
    joined_before = in_group()
    try:
        return Trainer(recipe, RunFolder(folder), listeners, cpu).run(source, resume)
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
        self.skipped: dict[str, str] = {}
        self.epoch = steps_per_epoch(self.source.sizes, recipe.train.batch_size)
        self.total = total_steps(recipe.train, self.epoch)
        self.training = Training(recipe, self.total, self.epoch, self.accelerator)
        self.validation: Validation | None = None
        if self.main and (recipe.translations or recipe.metrics):
            source, dtype = recipe.data.build("validation"), DTYPES[recipe.train.precision]
            self.validation = Validation(recipe, source, folder, self.accelerator.device, dtype, self._skip)
        self.checkpoints = Checkpoints(
            folder.checkpoints,
            recipe.train.checkpoint.keep,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            self.accelerator.wait_for_everyone,
        )
        self.hooks = registries.plugins.manager.hook
        self.listeners = listeners
        self.done = 0
        self.interrupts = Interrupts(self._tell_of_stopping)
        self.notes: tuple[str, ...] = ()
        self._logged = (0, 0.0)

    # -- the run ----------------------------------------------------------------------------------------------

    def run(self, source: Path | None, resume: bool) -> events.Finished:
        """Train until the end or until interrupted."""
        began = time.perf_counter()
        if self.main:
            changes = self._describe_run(source, resume)
        self.accelerator.wait_for_everyone()
        if resume:
            damaged = self._restore()
            if self.main:
                self.folder.truncate_log(self.done)
                for change in changes:
                    self.folder.write_event("changed", self.done, change=change)
                for problem in damaged:
                    self.folder.write_event("damaged", self.done, problem=problem)
                self.notes = (*changes, *damaged)
        with self._listening(), self.interrupts.caught():
            self._tell("run_started", run=self._info())
            self._logged = (self.done, time.perf_counter())
            try:
                self._steps()
            except torch.cuda.OutOfMemoryError as error:
                raise RunError(
                    Problem(
                        message=f"out of memory at step {self.done}",
                        found=str(error).splitlines()[0],
                        hint="lower data.image_size or the networks' width, raise train.accumulate, or train in bf16",
                    )
                ) from error
            finished = self._finish(time.perf_counter() - began)
            self._tell("run_finished", run=self._info(), finished=finished)
        return finished

    def _describe_run(self, source: Path | None, resume: bool) -> list[str]:
        """Write down what the run is; returns what a resume changes, in words."""
        data = fingerprint(self.source)
        changes = []
        if resume:
            changes = self.folder.resume(self.recipe, source, data)
        else:
            self.folder.begin(self.recipe, source, data)
        if changes or not resume:
            self._list_data()
        return changes

    def _list_data(self) -> None:
        """Write down which picture is for what, the pictures held out for testing included."""
        sources = {"train": self.source}
        if self.validation is not None:
            sources["validation"] = self.validation.source
        for part in self.recipe.data.splits:
            sources.setdefault(part, self.recipe.data.build(part))
        self.folder.list_data(self.recipe, sources)

    def _restore(self) -> list[str]:
        """Load the newest whole checkpoint; returns what is wrong with newer ones, in words."""
        if self.main:
            self.checkpoints.clean()
        newest, problems = self.checkpoints.newest_whole()
        if newest is None and problems:
            raise RunError(*problems)
        if newest is not None:
            self.done = self.checkpoints.load(newest, self._saved())
        if self.done > self.total:
            raise RunError(
                Problem(
                    message=f"{self.folder.path} is already at step {self.done}",
                    found=f"a recipe of {self.total} steps",
                    hint="give more with --set train.steps=… or train.epochs=…",
                )
            )
        self._first = self.done
        notes = [str(problem) for problem in problems]
        return notes if newest is not None else [*notes, "there is no checkpoint yet: beginning at step 0"]

    _first = 0

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
        saved = self.done
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
                    self._draw()
                if train.metrics.every is not None and self._due(train.metrics.every) and not last:
                    self._measure()
                if last or stop or self._due(train.checkpoint.every):
                    self._save()
                    saved = self.done
            if stop:
                break
        if saved != self.done or not self.checkpoints.steps():
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

    # -- what a run writes --------------------------------------------------------------------------------------

    def _log(self) -> None:
        losses, totals, finite = self.training.read()
        if not finite:
            kept = self.checkpoints.steps()
            culprits = [name for name, value in losses.items() if value != value or abs(value) == float("inf")]
            raise RunError(
                Problem(
                    message=f"the loss became infinite or not a number by step {self.done}",
                    found=", ".join(culprits) or "an earlier step since the last log line",
                    hint="lower the learning rate; "
                    + (f"checkpoints up to step {kept[-1]} are kept" if kept else "there is no checkpoint yet"),
                )
            )
        before, then = self._logged
        now = time.perf_counter()
        self._logged = (self.done, now)
        step = events.Step(
            step=self.done,
            losses=losses,
            totals=totals,
            images_per_second=(self.done - before) * self.recipe.train.batch_size / max(now - then, 1e-9),
            memory=peak_memory(),
            lr={name: self.training.rates[name] for name in totals},
        )
        if self.main:
            self.folder.write_event(
                "step",
                step.step,
                losses=step.losses,
                totals=step.totals,
                lr=step.lr,
                images_per_second=round(step.images_per_second, 2),
                memory=step.memory,
            )
        self._tell("step_finished", run=self._info(), step=step)

    def _saved(self) -> Saved:
        return Saved(
            networks=self.training.networks,
            metadata={name: self._describe(name) for name in self.training.networks},
            average=self.training.average,
            optimizers=self.training.optimizers,
            ops=self.training.stateful_ops,
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

    def _save(self) -> None:
        if not self.training.read()[2]:
            self._log()
        with writing(self.folder.path):
            folder = self.checkpoints.save(self.done, self._saved())
        self._tell("checkpoint_saved", run=self._info(), checkpoint=events.Checkpoint(step=self.done, folder=folder))

    def _inference(self) -> Inference:
        average = self.training.average
        networks = {**self.training.networks, **(average.networks if average is not None else {})}
        return Inference(networks, self.recipe.signals, registries.ops)

    def _draw(self) -> Path | None:
        drawn = None if self.validation is None else self.validation.draw(self._inference(), self.done)
        return drawn.grid if drawn is not None else None

    def _measure(self) -> events.Measured | None:
        if self.validation is None or not self.recipe.metrics:
            return None
        measured = self.validation.measure(self._inference(), self.done)
        self._tell("metrics_measured", run=self._info(), measured=measured)
        return measured

    def _finish(self, seconds: float) -> events.Finished:
        finished = self.done == self.total
        grid = self._draw()
        measured = self._measure() if finished else None
        if self.main:
            self.folder.write_event("end", self.done, reason="done" if finished else "interrupted", seconds=seconds)
        self.accelerator.wait_for_everyone()
        return events.Finished(
            step=self.done,
            reason="done" if finished else "interrupted",
            metrics=measured.metrics if measured is not None else {},
            pictures=measured.pictures if measured is not None else {},
            grid=grid,
            skipped=self.skipped,
            seconds=seconds,
        )

    # -- who is told --------------------------------------------------------------------------------------------

    def _tell_of_stopping(self) -> None:
        if self.main:
            print("stopping after this step; a checkpoint is saved (again to leave at once)", file=sys.stderr)

    def _skip(self, path: str, reason: str) -> None:
        if path not in self.skipped:
            self.skipped[path] = reason
            if self.main:
                self.folder.write_event("skipped", self.done, path=path, reason=reason)

    def _info(self) -> events.RunInfo:
        return events.RunInfo(
            name=self.recipe.name,
            folder=self.folder.path,
            first_step=self._first,
            total_steps=self.total,
            steps_per_epoch=self.epoch,
            phases=tuple(self.recipe.phases),
            parameters={
                name: sum(p.numel() for p in network.parameters()) for name, network in self.training.networks.items()
            },
            device=str(self.accelerator.device),
            processes=self.accelerator.num_processes,
            notes=self.notes,
        )

    @contextmanager
    def _listening(self) -> Iterator[None]:
        manager = registries.plugins.manager
        names = [manager.register(listener) for listener in self.listeners]
        try:
            yield
        finally:
            for name in names:
                manager.unregister(name=name)

    def _tell(self, hook: str, **what: Any) -> None:
        if self.main:
            getattr(self.hooks, hook)(**what)
