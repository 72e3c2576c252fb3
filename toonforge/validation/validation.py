"""The validation pictures of a run: shown as a grid and measured, now and then and at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import torch

from toonforge import events
from toonforge.components import ImageSource
from toonforge.data.reading.again import Retried
from toonforge.files import save_picture
from toonforge.inference import Inference
from toonforge.memory import doing
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.runs.disk import writing
from toonforge.runs.folder import RunFolder
from toonforge.validation.grid import Drawn, save_grid, save_strips, translate_fixed
from toonforge.validation.items import Items, nobody
from toonforge.validation.measuring import Measuring
from toonforge.validation.weights import weights_of

PART = "validation"


class Validation:
    """Draws and measures what networks make of the validation pictures, and writes it into the run's folder.

    Args:
        recipe: says the translations and metrics.
        source: the data set's validation part.
        folder: where grids, strips and pictures of metrics go.
        device, dtype: where and as what the networks compute.
        skipped: told (path, reason) of each unreadable picture.
        write: told (event, step, its values) of what is whole on the disk, for the log.
        check: asked before each picture, and may raise: nothing is then written.
        retried: told (path, how it went) of each picture that was read at a later try.

    Raises:
        ToonforgeError: a metric's weights or packages are missing.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: ImageSource,
        folder: RunFolder,
        device: torch.device,
        dtype: torch.dtype,
        skipped: Callable[[str, str], None],
        write: Callable[..., None],
        check: Callable[[], None],
        retried: Callable[[str, Retried], None] = nobody,
    ) -> None:
        self.recipe, self.source, self.folder = recipe, source, folder
        self._write = write
        self._graph = Graph(recipe.modules, recipe.signals)
        groups = recipe.data.groups()
        self._items = Items(
            source=source, groups=groups, device=device, dtype=dtype, skipped=skipped, check=check, retried=retried
        )
        self._measuring = Measuring(
            recipe.metrics,
            source,
            groups,
            self._graph,
            device,
            dtype,
            skipped,
            part=PART,
            weights=weights_of(recipe),
            preparation=recipe.data.preparation(PART),
            trained={name for phase in recipe.phases.values() for name in phase.updates},
            check=check,
            retried=retried,
        )

    def draw(self, inference: Inference, step: int) -> Drawn | None:
        """Draw the grid and its strips.

        None where the recipe offers no translation, and where no validation picture can be read: each has been told to
        `skipped`, and training goes on.
        """
        recipe = self.recipe
        count = recipe.train.samples.count
        with doing("drawing"):
            shown = self._items.in_smaller_batches(
                lambda: [*translate_fixed(recipe.translations, self._graph, self._items, inference, count)],
                again=lambda: None,
            )
        if not shown:
            return None
        name = f"step-{step:06d}"
        with writing(self.folder.path):
            strips = save_strips(shown, self.folder.samples / name)
            grid = save_grid(shown, f"{recipe.name}, step {step:,}", self.folder.samples / f"{name}.jpg")
        where = {"grid": grid, "strips": strips}
        self._write("samples", step, **{key: self._within(path) for key, path in where.items()})
        return Drawn(grid=grid, shown={each.target: (each.input, each.output) for each in shown})

    def measure(
        self, inference: Inference, step: int, progress: Callable[[int, int], None] | None = None
    ) -> events.Measured:
        """Every metric of the recipe over all validation pictures, written to the log.

        Args:
            progress: told (pictures done, pictures there are).
        """
        results = self._measuring(inference, progress)
        with writing(self.folder.path):
            pictures = {
                name: save_picture(
                    drawing,
                    self.folder.pictures / f"{name}-step-{step:06d}.png",
                    flush=True,
                    format="PNG",
                    optimize=True,
                )
                for name, drawing in results.drawings.items()
            }
        if results.values:
            self._write(
                "metrics",
                step,
                metrics=flat(results.values),
                about={name: attrs.asdict(about) for name, about in results.about.items()},
                pictures={name: self._within(path) for name, path in pictures.items()},
                seconds=round(results.seconds, 3),
                **({"complete": False} if results.missed else {}),
            )
        return events.Measured(
            step=step, metrics=results.values, about=results.about, pictures=pictures, complete=not results.missed
        )

    def _within(self, path: Path) -> str:
        """A path as the log has it: relative to the run's folder."""
        return path.relative_to(self.folder.path).as_posix()


def flat(results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Results by "metric" and "metric.part", as the log has them."""
    return {
        f"{name}.{part}" if part else name: value for name, parts in results.items() for part, value in parts.items()
    }
