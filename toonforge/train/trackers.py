"""A run's numbers, pictures and warnings in the trackers that `train.trackers` names, through Accelerate."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from toonforge.events import Best, Finished, Measured, RunInfo, Step, Warned
from toonforge.files import write_atomic
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import recipe_data
from toonforge.recipe.trackers import KNOWN
from toonforge.train.tracker_kinds import pictures_for, settings, store_recipe, takes_text

if TYPE_CHECKING:
    from accelerate import Accelerator

FOLDER = "trackers"
"""In the run's folder; holds what trackers write themselves, and the names by which they know the run."""


class Trackers:
    """Listens to a run and tells its trackers; only the main process is listened to.

    The keys are those of metrics.jsonl: "loss/PHASE.LOSS", "total/PHASE", "lr/PHASE", "images_per_second", "memory"
    (bytes), "metric/NAME" and "metric/NAME.PART", "best/NAME"; pictures are "samples" and "metric/NAME". A tracker that
    fails is said so once and left alone: it never ends a run, and metrics.jsonl has everything.

    Args:
        accelerator: the run's; its `trackers` are those that could be started.
        recipe: checked; every key of it becomes the trackers' configuration.
        folder: the run's folder.
        note: takes what the user must be told; standard error when left out.
    """

    def __init__(
        self, accelerator: Accelerator, recipe: Recipe, folder: Path, note: Callable[[str], None] | None = None
    ) -> None:
        self.accelerator, self.recipe, self.folder = accelerator, recipe, folder / FOLDER
        self.note = note or (lambda text: print(f"note: {text}", file=sys.stderr))
        self.running: dict[str, Any] = {}
        self._failed: set[tuple[str, str]] = set()

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Start every tracker, a resumed run's where it was."""
        for name in self.recipe.train.trackers:
            try:
                self.running[name] = self._start(name, run)
            except Exception as error:
                self.note(f"the tracker {name} cannot be started and is left out: {_said(error)}")
        self.accelerator.trackers = list(self.running.values())
        values = flattened(recipe_data(self.recipe))
        self._each("recipe", lambda name, tracker: store_recipe(name, tracker, values, tuple(self.recipe.metrics)))

    def _start(self, name: str, run: RunInfo) -> Any:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS, filter_trackers

        self.folder.mkdir(parents=True, exist_ok=True)
        ids = _Ids(self.folder / "ids.json")
        known = settings(name, run, self.folder, ids.get(name))
        self.accelerator.project_configuration.logging_dir = str(self.folder)
        wanted: Any = name
        if name not in KNOWN:
            # A class of the user's. Accelerate takes these by name only in later versions, and an object in all.
            own = LOGGER_TYPE_TO_CLASS[name]
            wanted = own(known.project, *([str(self.folder)] if own.requires_logging_directory else []))
        # One at a time: Accelerate starts none of those after one that fails.
        self.accelerator.trackers = []
        self.accelerator.log_with = filter_trackers([wanted], str(self.folder))
        if not self.accelerator.log_with:
            raise RuntimeError("Accelerate does not find its package")
        self.accelerator.init_trackers(known.project, init_kwargs={name: dict(known.keywords)})
        (tracker,) = self.accelerator.trackers
        ids.put(name, known.identity(tracker))
        return tracker

    @hookimpl
    def step_finished(self, step: Step) -> None:
        """Losses, totals, learning rates, speed and memory."""
        values = {f"loss/{name}": value for name, value in step.losses.items()}
        values |= {f"total/{name}": value for name, value in step.totals.items()}
        values |= {f"lr/{name}": value for name, value in step.lr.items()}
        self._log({**values, "images_per_second": step.images_per_second, "memory": step.memory}, step.step)

    @hookimpl
    def metrics_measured(self, measured: Measured) -> None:
        """Every metric and its parts, and the pictures that metrics drew."""
        self._log(
            {
                f"metric/{name}.{part}" if part else f"metric/{name}": value
                for name, parts in measured.metrics.items()
                for part, value in parts.items()
            },
            measured.step,
        )
        for name, path in measured.pictures.items():
            self._picture(f"metric/{name}", path, measured.step)

    @hookimpl
    def grid_drawn(self, step: int, grid: Path) -> None:
        """The validation grid, to trackers that take pictures."""
        self._picture("samples", grid, step)

    @hookimpl
    def best_improved(self, best: Best) -> None:
        """The best value so far."""
        self._log({f"best/{best.metric}": best.value}, best.step)

    @hookimpl
    def warned(self, warning: Warned) -> None:
        """The warning's words, to trackers that take text."""
        text = f"{warning.about}: {warning.message} ({warning.hint})"
        self._each(
            "texts",
            lambda name, tracker: takes_text(name) and tracker.log({f"warning/{warning.kind}": text}, warning.step),
        )

    @hookimpl
    def run_finished(self, finished: Finished) -> None:
        """The end of the run is the trackers' end."""
        self.close()

    def close(self) -> None:
        """Write out and close every tracker; may be called twice. A run that fails must call it too."""
        self._each("its end", lambda name, tracker: tracker.finish())
        self.running = {}
        self.accelerator.trackers = []

    def _log(self, values: Mapping[str, float], step: int) -> None:
        if values:
            self._each("values", lambda name, tracker: tracker.log(dict(values), step=step))

    def _picture(self, key: str, path: Path, step: int) -> None:
        def log(name: str, tracker: Any) -> None:
            if hasattr(tracker, "log_images"):
                with Image.open(path) as picture:
                    value, options = pictures_for(name, picture.convert("RGB"))
                tracker.log_images({key: value}, step=step, **options)

        self._each("pictures", log)

    def _each(self, what: str, call: Callable[[str, Any], object]) -> None:
        """Call for every tracker that has not failed at `what`; one that fails with values gets nothing any more."""
        for name, tracker in self.running.items():
            if {(name, what), (name, "values")} & self._failed and what != "its end":
                continue
            try:
                call(name, tracker)
            except Exception as error:
                self._failed.add((name, what))
                left = "it gets nothing more" if what == "values" else "the run goes on without"
                self.note(f"the tracker {name} failed with {what}; {left}, metrics.jsonl has all: {_said(error)}")


class _Ids:
    """By which name each tracker knows the run, kept in the run's folder for when it is resumed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def get(self, name: str) -> str | None:
        value = self._read().get(name)
        return value if isinstance(value, str) else None

    def put(self, name: str, identity: str | None) -> None:
        if identity is not None and identity != self.get(name):
            write_atomic(self.path, json.dumps({**self._read(), name: identity}, indent=1) + "\n")


def flattened(value: Any, key: str = "") -> dict[str, int | float | str | bool]:
    """Plain data as one table of dotted keys, as trackers want it; lists become their JSON."""
    if isinstance(value, Mapping):
        return {
            k: v for name, item in value.items() for k, v in flattened(item, f"{key}.{name}" if key else name).items()
        }
    return {key: value if isinstance(value, int | float | str) else json.dumps(value, ensure_ascii=False)}


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
