"""The watch over one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.events import Measured, Step, Warned
from toonforge.recipe.model import Recipe
from toonforge.runs.record import Record
from toonforge.train.watch.discriminators import Discriminators
from toonforge.train.watch.explosions import Explosions
from toonforge.train.watch.finding import Over, Told
from toonforge.train.watch.measurements import Measurements
from toonforge.train.watch.translations import Translations

if TYPE_CHECKING:
    from toonforge.validation.grid import Drawn


class Watch:
    """Looks at what a run logs, draws and measures, and says what begins to look wrong and what no longer does.

    Args:
        recipe: what is trained.
        total_steps: the run's length, where `recipe.train.steps` does not say it.
    """

    def __init__(self, recipe: Recipe, total_steps: int | None = None) -> None:
        self._discriminators = Discriminators(recipe)
        self._explosions = Explosions(recipe)
        self._translations = Translations(recipe)
        self._measurements = Measurements(recipe, recipe.train.steps if total_steps is None else total_steps)
        self._told = Told()

    def logged(self, step: Step) -> list[Warned | Over]:
        """What a logged step changes."""
        self._measurements.note(step.step, step.losses)
        found = [*self._explosions.logged(step.step, step.losses), *self._discriminators.logged(step.step, step.losses)]
        return self._told.changes(step.step, found)

    def drawn(self, step: int, drawn: Drawn) -> list[Warned | Over]:
        """What a drawing of the validation pictures changes; waits for the device once."""
        return self._told.changes(step, self._translations.drawn(step, drawn.shown))

    def measured(self, measured: Measured) -> list[Warned | Over]:
        """What a measurement changes."""
        return self._told.changes(measured.step, self._measurements.measured(measured))

    def restore(self, record: Record) -> None:
        """Go on where a log ends, as if the run had not been interrupted."""
        for step in record.steps:
            self._explosions.note(step.step, step.losses)
            self._measurements.note(step.step, step.losses)
            self._discriminators.note(step.step, step.losses)
        self._told.restore(record)
