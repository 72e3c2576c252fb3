"""A run's numbers, pictures and warnings in the trackers that `train.trackers` names, through Accelerate."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from toonforge.events import Best, Finished, Measured, RunInfo, Step, Warned
from toonforge.files import beside, write_atomic
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

    Keys: "loss/PHASE.LOSS", "total/PHASE", "lr/PHASE", "images_per_second", "memory" (bytes), "data"
    (share of time, 0 to 1), "metric/NAME",
    "metric/NAME.PART", "best/NAME", "warning/KIND" (text), and of pictures "samples" and "picture/NAME". A tracker
    that fails is said so once and left alone: it never ends a run, and metrics.jsonl has everything.

    No step is told twice to the same tracker's run: TensorBoard drops what a crash left behind a resumed run's first
    step; the others, which cannot, keep it and are told of later steps only (a resumed run computes the same again).

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
        self._kept = _Kept(self.folder)
        self._before: dict[str, int] = {}
        self._continued: set[str] = set()
        self._failed: set[tuple[str, str]] = set()

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Start every tracker, a resumed run's where it was."""
        self._before = self._kept.told()
        for name in self.recipe.train.trackers:
            try:
                self.running[name] = self._start(name, run)
            except Exception as error:
                self.note(f"the tracker {name} cannot be started and is left out: {_said(error)}")
        self.accelerator.trackers = list(self.running.values())
        values = flattened(recipe_data(self.recipe))
        metrics = tuple(self.recipe.metrics)
        self._each(self.running, "recipe", lambda name, tracker: store_recipe(name, tracker, values, metrics))

    def _start(self, name: str, run: RunInfo) -> Any:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS, filter_trackers

        self.folder.mkdir(parents=True, exist_ok=True)
        identity = self._kept.identity(name)
        known = settings(name, run, self.folder, identity)
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
        self._kept.put_identity(name, known.identity(tracker))
        if identity is not None:
            self._continued.add(name)
        return tracker

    @hookimpl
    def step_finished(self, step: Step) -> None:
        """Losses, totals, learning rates, speed and memory."""
        values = {f"loss/{name}": value for name, value in step.losses.items()}
        values |= {f"total/{name}": value for name, value in step.totals.items()}
        values |= {f"lr/{name}": value for name, value in step.lr.items()}
        values |= {"images_per_second": step.images_per_second, "memory": step.memory, "data": step.data}
        self._log(self._untold("step", step.step), values, step.step)

    @hookimpl
    def metrics_measured(self, measured: Measured) -> None:
        """Every metric and its parts, and the pictures that metrics drew."""
        names = self._untold("metrics", measured.step)
        values = {
            f"metric/{name}.{part}" if part else f"metric/{name}": value
            for name, parts in measured.metrics.items()
            for part, value in parts.items()
        }
        self._log(names, values, measured.step)
        for name, path in measured.pictures.items():
            # Under a key of their own: to some trackers, wandb for one, a picture would replace the number.
            self._picture(names, f"picture/{name}", path, measured.step)

    @hookimpl
    def grid_drawn(self, step: int, grid: Path) -> None:
        """The validation grid, to trackers that take pictures."""
        self._picture(self._untold("samples", step), "samples", grid, step)

    @hookimpl
    def best_improved(self, best: Best) -> None:
        """The best value so far."""
        self._log(self._untold("best", best.step), {f"best/{best.metric}": best.value}, best.step)

    @hookimpl
    def warned(self, warning: Warned) -> None:
        """The warning's words, to trackers that take text."""
        text = f"{warning.about}: {warning.message} ({warning.hint})"
        names = [name for name in self._untold(f"warning {warning.kind}", warning.step) if takes_text(name)]
        self._each(names, "texts", lambda _, tracker: tracker.log({f"warning/{warning.kind}": text}, warning.step))

    @hookimpl
    def run_finished(self, finished: Finished) -> None:
        """The end of the run, a failure too, is the trackers' end."""
        self.close()

    def close(self) -> None:
        """Write out and close every tracker; may be called twice."""
        self._each(self.running, "its end", lambda _, tracker: tracker.finish())
        self.running = {}
        self.accelerator.trackers = []

    def _untold(self, what: str, step: int) -> list[str]:
        """The trackers that an earlier start of the run has not told of this step; from now on they are told."""
        names = [name for name in self.running if not (name in self._continued and step <= self._before.get(what, -1))]
        self._kept.put_told(what, step)
        return names

    def _log(self, names: Iterable[str], values: Mapping[str, float], step: int) -> None:
        if values:
            self._each(names, "values", lambda _, tracker: tracker.log(dict(values), step=step))

    def _picture(self, names: Iterable[str], key: str, path: Path, step: int) -> None:
        def log(name: str, tracker: Any) -> None:
            if hasattr(tracker, "log_images"):
                with Image.open(path) as picture:
                    value, options = pictures_for(name, picture.convert("RGB"))
                tracker.log_images({key: value}, step=step, **options)

        self._each(names, "pictures", log)

    def _each(self, names: Iterable[str], what: str, call: Callable[[str, Any], object]) -> None:
        """Call for trackers that have not failed at `what`; one that fails with values gets nothing any more."""
        for name in names:
            if {(name, what), (name, "values")} & self._failed and what != "its end":
                continue
            try:
                call(name, self.running[name])
            except Exception as error:
                self._failed.add((name, what))
                left = "it gets nothing more" if what == "values" else "the run goes on without"
                self.note(f"the tracker {name} failed with {what}; {left}, metrics.jsonl has all: {_said(error)}")


class _Kept:
    """What a resumed run must know: by which name each tracker knows the run, and which steps trackers were told of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _read(self, file: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / file).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def identity(self, tracker: str) -> str | None:
        value = self._read("ids.json").get(tracker)
        return value if isinstance(value, str) else None

    def put_identity(self, tracker: str, identity: str | None) -> None:
        if identity is not None:
            write_atomic(self.folder / "ids.json", json.dumps({**self._read("ids.json"), tracker: identity}) + "\n")

    def told(self) -> dict[str, int]:
        """What -> the last step that trackers were told of."""
        return {what: step for what, step in self._read("told.json").items() if isinstance(step, int)}

    def put_told(self, what: str, step: int) -> None:
        # Not flushed to the disk: after a crash of the machine a tracker may have a step twice, no more.
        with suppress(OSError), beside(self.folder / "told.json") as temporary:
            temporary.write_text(json.dumps({**self._read("told.json"), what: step}) + "\n", "utf-8")


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
