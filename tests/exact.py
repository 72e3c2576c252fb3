"""A run in one go and the same run in parts: ways to be interrupted, and what must be the same afterwards."""

from __future__ import annotations

import json
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import torch

from toonforge.events import Best, Checkpoint, Finished, Measured, RunInfo, Step
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.train import stopping
from toonforge.train.trainer import train

OWN = {"time", "seconds", "images_per_second", "memory"}
"""Keys of the log that no two starts share."""
STARTS = {"start", "end", "changed", "damaged"}
"""Events of a start, not of the training."""


class Killed(BaseException):
    """Ends a run where it stands, as a power cut would."""


@attrs.frozen
class Way:
    """How a start of a run is interrupted.

    Attributes:
        how: "stop" (a signal) or "kill" (the process ends where it is).
        at: after how many steps.
        where: in which hook: after the step was logged, before it is drawn, …
    """

    how: str
    at: int
    where: str = "step"


class Interruption:
    """Listens to a run, and interrupts it once."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.came = False

    def _at(self, where: str, step: int) -> None:
        if (where, step) != (self.way.where, self.way.at) or self.came:
            return
        self.came = True
        if self.way.how == "kill":
            raise Killed
        signal.raise_signal(signal.SIGTERM)

    @hookimpl
    def step_finished(self, run: RunInfo, step: Step) -> None:
        self._at("step", step.step)

    @hookimpl
    def run_paused(self, run: RunInfo, step: int, what: str) -> None:
        self._at(what, step)

    @hookimpl
    def grid_drawn(self, run: RunInfo, step: int, grid: Path) -> None:
        self._at("grid", step)

    @hookimpl
    def metrics_measured(self, run: RunInfo, measured: Measured) -> None:
        self._at("metrics", measured.step)

    @hookimpl
    def checkpoint_saved(self, run: RunInfo, checkpoint: Checkpoint) -> None:
        self._at("checkpoint", checkpoint.step)

    @hookimpl
    def best_improved(self, run: RunInfo, best: Best) -> None:
        self._at("best", best.step)

    @hookimpl
    def run_finished(self, run: RunInfo, finished: Finished) -> None:
        self._at("finished", finished.step)


def in_parts(recipe: Recipe, folder: Path, ways: Sequence[Way]) -> list[Finished | None]:
    """Train in as many starts as there are ways to be interrupted, and one more; how each ended, None where killed."""
    ended: list[Finished | None] = []
    for number, way in enumerate([*ways, None]):
        torch.manual_seed(99 + number)  # whatever happens in between must not matter
        listeners = [] if way is None else [Interruption(way)]
        with mock.patch.object(stopping, "MOMENT", 0.0):
            try:
                ended.append(train(recipe, folder=folder, resume=number > 0, listeners=listeners, cpu=True))
            except Killed:
                ended.append(None)
    return ended


def assert_same(whole: Path, parts: Path, stops: Collection[int] = ()) -> None:
    """Two folders hold the same run: the newest and the best checkpoint, the log and all pictures, bit for bit.

    Args:
        stops: steps at which the one in parts was stopped, so that it has a checkpoint there.
    """
    ours, theirs = log_of(parts, stops), log_of(whole, stops)
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        assert mine == other, f"line {number} of the log"
    assert len(ours) == len(theirs), (ours + theirs)[min(len(ours), len(theirs))]
    for name in ("latest", "best"):
        files, others = checkpoint_of(parts, name), checkpoint_of(whole, name)
        assert files.keys() == others.keys(), name
        assert not [file for file in files if files[file] != others[file]], name
    pictures, others = pictures_of(parts), pictures_of(whole)
    assert pictures.keys() == others.keys()
    assert not [file for file in pictures if pictures[file] != others[file]]


def log_of(folder: Path, stops: Collection[int] = ()) -> list[dict[str, Any]]:
    """What a log says of the training, without what differs from one start to the next."""
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [
        {key: value for key, value in event.items() if key not in OWN}
        for event in events
        if event["event"] not in STARTS and not (event["event"] == "checkpoint" and event["step"] in stops)
    ]


def checkpoint_of(folder: Path, name: str) -> Mapping[str, bytes]:
    """The files of the checkpoint that `latest` or `best` names, with that name; nothing where there is none."""
    link = folder / "checkpoints" / name
    if not link.is_file():
        return {}
    found = folder / "checkpoints" / link.read_text("utf-8").strip()
    return {"": found.name.encode(), **{path.name: path.read_bytes() for path in found.iterdir()}}


def pictures_of(folder: Path) -> Mapping[str, bytes]:
    """Every file of grids, strips and metrics, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for inside in ("samples", "metrics")
        for path in (folder / inside).rglob("*")
        if path.is_file()
    }
