"""What a run looks at on its way: its losses, the validation grid, its metrics; and what looks wrong there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from toonforge import events, registries
from toonforge.inference import Inference
from toonforge.recipe.model import Recipe
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
        measured: the newest measurement of this start.
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
        self.telling, self.checkpoints = telling, checkpoints
        self.good = 0
        self.measured: events.Measured | None = None
        self._grid: tuple[int, Path | None] = (-1, None)
        self._watch: Watch | None = Watch(recipe, total_steps) if telling.main else None

    def restore(self, step: int) -> None:
        """Go on after `step`, with what the log says until then."""
        self.good = step
        if self._watch is not None:
            self._watch.restore(read_record(self.telling.folder.path))

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
        self.telling.logged(step)
        self._watched(lambda watch: watch.logged(step))

    def draw(self, step: int) -> Path | None:
        """The validation grid of a step, drawn once."""
        if self.validation is not None and self.recipe.translations and self._grid[0] != step:
            self.telling.tell("run_paused", step=step, what="drawing")
            drawn = self.validation.draw(self._inference(), step)
            self._grid = step, drawn.grid if drawn is not None else None
            if drawn is not None:
                self.telling.tell("grid_drawn", step=step, grid=drawn.grid)
                self._watched(lambda watch: watch.drawn(step, drawn))
        return self._grid[1]

    def measure(self, step: int) -> events.Measured | None:
        """The metrics at a step; None where this process has none."""
        if self.validation is None or not self.recipe.metrics:
            return None
        self.telling.tell("run_paused", step=step, what="measuring")
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
        return Inference(networks, self.recipe.signals, registries.ops)
