"""What a run looks at on its way: its losses, the validation grid, its metrics; and what looks wrong there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from toonforge import events, registries
from toonforge.inference import Inference
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import recipe_data
from toonforge.runs.log import read_events
from toonforge.runs.reading import file_inside
from toonforge.runs.record import read_record
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.failures import ended_by, not_finite
from toonforge.train.process import peak_memory
from toonforge.train.step import Training
from toonforge.train.telling import Telling, left_out
from toonforge.train.watch import Over, Watch
from toonforge.validation.validation import Validation


class Looking:
    """The eyes of one start of a run; every process calls `read` together, the rest is the main process's.

    Args:
        recipe: what is trained.
        training: what is looked at.
        validation: draws and measures; None on processes other than the main one, and where there is nothing to show.
        telling: hears of all that is seen.
        checkpoints: of which the newest is named where nothing but it is left.
        total_steps: the run's length.

    Attributes:
        good: the last step after which all losses were known to be finite.
        measured: the newest measurement of this start, or that of the step it began at.
    """

    def __init__(
        self,
        recipe: Recipe,
        training: Training,
        validation: Validation | None,
        telling: Telling,
        checkpoints: Checkpoints,
        total_steps: int,
    ) -> None:
        self.recipe, self.training, self.validation = recipe, training, validation
        self.telling, self.checkpoints, self.total = telling, checkpoints, total_steps
        self.good = 0
        self.measured: events.Measured | None = None
        self._drawn: tuple[int, Path | None] = (-1, None)
        self._watch: Watch | None = Watch(recipe, total_steps) if telling.main else None

    def restore(self, step: int, changes: Sequence[str]) -> None:
        """Go on after `step`, with what the log says until then.

        What it says was drawn and measured at this step is not done again. At the run's end it is where it has changed
        since what there is to see: nothing else would show it.

        Args:
            changes: what this resume changes, in words, which the log does not know yet.
        """
        self.good = step
        if not self.telling.main:
            return
        folder = self.telling.folder.path
        record = read_record(folder, recipe_data(self.recipe))  # the folder's may be lost, and is written anew later
        shown = seen_at(read_events(folder), step, changes, step == self.total)
        self.telling.restore(record.skipped)
        if self._watch is not None:
            self._watch.restore(record)
        if "samples" in shown and record.samples:
            self._drawn = step, file_inside(folder, record.samples[-1].grid)
        if "metrics" in shown and record.measurements:
            last = record.measurements[-1]
            pictures = {name: file_inside(folder, path) for name, path in last.pictures.items()}
            self.measured = events.Measured(
                step=step,
                metrics=last.values,
                about=last.about,
                pictures={name: path for name, path in pictures.items() if path is not None},
                complete=last.complete,
            )

    def read(self, step: int) -> events.Step:
        """The losses of a step, without its speed. This waits for the device.

        Raises:
            RunError: one of any step until now was not finite.
        """
        losses, totals, finite = self.training.read()
        read = events.Step(
            step=step,
            losses=losses,
            totals=totals,
            images_per_second=0.0,
            memory=peak_memory(),
            lr={name: self.training.rates[name] for name in totals},
        )
        if not finite:
            warning = not_finite(read, self.good, self.recipe)
            self.telling.write_step(read)
            self.telling.warn(warning)
            raise ended_by(warning, max(self.checkpoints.steps(), default=None))
        self.good = step
        return read

    def logged(self, step: events.Step) -> None:
        """Tell of the losses of a step, and of what looks wrong with them."""
        with self.telling.together():
            self.telling.logged(step)
            self._watched(lambda watch: watch.logged(step))
            self._not_recorded(step.step)

    def _not_recorded(self, step: int) -> None:
        captured = self.training.captured
        for phases, reason in captured.untold() if captured is not None else ():
            self.telling.warn(
                events.Warned(
                    step=step,
                    kind="not-recorded",
                    about=phases,
                    message=f"steps of {phases} are computed as written, not recorded as CUDA graphs: {reason}",
                    hint='only speed is lost; without "cuda-graphs" in train.speed this is not said',
                )
            )

    def grid(self, step: int) -> Path | None:
        """The validation grid of a step, if there is one."""
        return self._drawn[1] if self._drawn[0] == step else None

    def draw(self, step: int) -> None:
        """Draw the validation grid of a step, once.

        Raises:
            Stopped: before it was done; nothing is written.
        """
        if self.validation is None or not self.recipe.translations or self._drawn[0] == step:
            return
        self.telling.tell("run_paused", step=step, what="drawing")
        with self.telling.together():
            drawn = self.validation.draw(self._inference(), step)
            if drawn is not None:
                self.telling.tell("grid_drawn", step=step, grid=drawn.grid)
                self._watched(lambda watch: watch.drawn(step, drawn))
            self._drawn = step, drawn.grid if drawn is not None else None

    def measure(self, step: int) -> events.Measured | None:
        """The metrics at a step, measured once; None where they were, and where this process has none.

        Raises:
            Stopped: before it was done; nothing is written.
        """
        if self.validation is None or not self.recipe.metrics:
            return None
        if self.measured is not None and self.measured.step == step:
            return None
        self.telling.tell("run_paused", step=step, what="measuring")
        with self.telling.together():
            self.measured = measured = self.validation.measure(self._inference(), step)
            self.telling.tell("metrics_measured", measured=measured)
            self._watched(lambda watch: watch.measured(measured))
        return measured

    def _watched(self, look: Callable[[Watch], Sequence[events.Warned | Over]]) -> None:
        if self._watch is None:
            return
        try:
            changes = look(self._watch)
        except Exception as error:  # what only looks on is no reason to end a training
            self._watch = None
            left_out("the watch for what looks wrong", error)
            return
        for change in changes:
            self.telling.heed(change)

    def _inference(self) -> Inference:
        average = self.training.average
        networks = {**self.training.networks, **(average.networks if average is not None else {})}
        return Inference(networks, self.recipe.signals, registries.ops, self.recipe.modules)


OTHERWISE = {
    "samples": ("translations", "train.samples.count", "the validation pictures of "),
    "metrics": ("metrics", "the validation pictures of "),
}
"""Event -> how changes begin after which there is something else to see at the same step."""


def seen_at(logged: Iterable[Mapping[str, Any]], step: int, changes: Sequence[str], as_now: bool) -> set[str]:
    """Which of "samples" and "metrics" a log says of a step.

    Args:
        logged: its events in order.
        changes: what a resume changes, in words, which the log does not know yet.
        as_now: leave out what would be another today, after these changes and those in the log.
    """
    seen: set[str] = set()
    later = [{"event": "changed", "step": step, "change": change} for change in changes]
    for event in (*logged, *later):
        if as_now and event["event"] == "changed":
            change = str(event.get("change"))
            seen -= {kind for kind, beginnings in OTHERWISE.items() if change.startswith(beginnings)}
        elif event["event"] in OTHERWISE and event["step"] == step:
            seen.add(event["event"])
    return seen
