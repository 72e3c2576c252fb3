"""What comes before the first step: the run is described in its folder, in its log, and to those who listen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.components import ImageSource
from toonforge.errors import DataError
from toonforge.events import RunInfo
from toonforge.memory import doing
from toonforge.recipe.model import Recipe
from toonforge.report.writer import ReportWriter
from toonforge.runs.fingerprint import fingerprint
from toonforge.runs.first_weights import record
from toonforge.runs.folder import RunFolder
from toonforge.runs.log import FORMAT, changes_not_begun
from toonforge.train.first_weights import read_first
from toonforge.train.process import device_name
from toonforge.train.step import Training
from toonforge.train.telling import Telling
from toonforge.train.trackers import Trackers
from toonforge.weights.origin import find_origins

if TYPE_CHECKING:
    from accelerate import Accelerator


@attrs.frozen(kw_only=True)
class Described:
    """What the folder of a run says of it.

    Attributes:
        changes: what a resume changes, in words.
        known: those of which the log tells already, since an earlier start with them was killed before it began.
        write: puts the changes into the folder; called when they are in the log and nothing refuses them any more.
    """

    changes: Sequence[str] = ()
    known: Set[str] = frozenset()
    write: Callable[[], None] = lambda: None


def describe_run(
    recipe: Recipe, folder: RunFolder, source: Path | None, resume: bool, parts: Mapping[str, ImageSource]
) -> Described:
    """Write down what a new run is; of one that is resumed, find what changes.

    Args:
        recipe: what is trained.
        folder: of the run.
        source: the recipe's file.
        resume: whether the folder holds the run already.
        parts: the pictures that are open already, "train" among them; those held out for testing are listed too.
    """
    sources = dict(parts)
    for part in recipe.data.splits:
        if part not in sources:
            # Training needs no other part: one that has gone since the run began is told of as a change.
            with suppress(DataError) if resume else nullcontext():
                sources[part] = recipe.data.build(part)
    data = fingerprint(sources)
    if not resume:
        folder.begin(recipe, source, data)
        folder.list_data(recipe, sources)
        return Described()
    changes = folder.changes(recipe, data, sources)

    def write() -> None:
        if folder.describe(recipe, source, data, anew=bool(changes)):
            folder.list_data(recipe, sources)

    return Described(changes=changes, known=changes_not_begun(folder.path), write=write)


def start_from_others(recipe: Recipe, folder: RunFolder, training: Training, telling: Telling) -> tuple[str, ...]:
    """Give the networks that start from weights of elsewhere theirs; every process calls this.

    Returns:
        Which they are, in words, on the main process.
    """
    origins = find_origins(recipe) if telling.main else {}
    with doing("loading first weights"):
        training.start_from(read_first(origins, training.networks))
    if origins:
        for change in record(folder.path, {name: origin.data for name, origin in origins.items()}):
            telling.write("changed", 0, change=change)
    return tuple(f"{name} starts from {origin}" for name, origin in origins.items())


def run_info(recipe: Recipe, folder: RunFolder, training: Training, **more: Any) -> RunInfo:
    """The run as its listeners see it; `more`: what else `RunInfo` holds."""
    return RunInfo(
        name=recipe.name,
        folder=folder.path,
        phases=tuple(recipe.phases),
        parameters={name: sum(p.numel() for p in network.parameters()) for name, network in training.networks.items()},
        device=device_name(training.device),
        processes=training.accelerator.num_processes,
        speed=training.speed.words,
        **more,
    )


def observers(recipe: Recipe, folder: RunFolder, accelerator: Accelerator) -> list[object]:
    """What keeps a record of every run besides its log: the trackers that the recipe names, and the report."""
    if not accelerator.is_main_process:
        return []
    trackers = [Trackers(accelerator, recipe, folder.path)] if recipe.train.trackers else []
    return [*trackers, ReportWriter()]


def start_event(recipe: Recipe, run: RunInfo, training: Training) -> dict[str, Any]:
    """What the log says of a start; see docs/reference/metrics-jsonl.md."""
    return {
        "format": FORMAT,
        "total_steps": run.total_steps,
        "steps_per_epoch": run.steps_per_epoch,
        "batch_size": recipe.train.batch_size,
        "phases": {
            phase.name: {
                "start": phase.start,
                "stop": min(phase.stop, run.total_steps),
                "every": phase.phase.every,
                "updates": list(phase.phase.updates),
            }
            for phase in training.phases
        },
        "parameters": dict(run.parameters),
        "device": run.device,
        "processes": run.processes,
        "speed": {
            "wanted": training.speed.wanted,
            "tricks": list(training.speed.tricks),
            "why_not": dict(training.speed.why),
        },
        "averaged": recipe.train.ema,
        "notes": list(run.notes),
    }
