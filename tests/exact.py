"""A run in one go and the same run in parts: ways to be interrupted, and what must be the same afterwards."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import pytest
import torch

from toonforge import recipe as recipes
from toonforge.events import Best, Checkpoint, Finished, Measured, RunInfo, Step
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.runs.folder import RunFolder
from toonforge.train import stopping
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.saving import Saving
from toonforge.train.trainer import train

RECIPE = """
name = "exact"
[data]
type = "tiny/pictures"
count = 6
[train]
steps = 8
batch_size = 2
seed = 3
ema = 0.9
log.every = 1
samples = {{ every = 2, count = 2 }}
metrics = {{ every = 3, best = "shade", patience = 20 }}
checkpoint = {{ every = 4, keep = 1 }}
schedule = {{ type = "linear-decay", start = 3 }}
{train}
[generators]
G = {{ type = "tiny/generator", dropout = 0.3 }}
[discriminators]
D = {{ type = "tiny/discriminator", norm = true }}
[signals]
fake = "G(photo)"
[translations]
anime = "fake"
[metrics]
shade = {{ type = "tiny/mean", input = "fake" }}
[phases.warm_up]
updates = ["G"]
until = 3
optimizer = {{ type = "sgd", lr = 0.05 }}
[phases.warm_up.losses]
same = {{ type = "l1", input = "fake", target = "photo" }}
[phases.discriminator]
updates = ["D"]
from = 3
[phases.discriminator.losses]
reals = {{ type = "lsgan", logits = "D(anime)", real = true }}
fakes = {{ type = "lsgan", logits = "D(pool(fake, 3))", real = false }}
[phases.generator]
updates = ["G"]
from = 3
until = 7
every = 2
[phases.generator.losses]
fool = {{ type = "lsgan", logits = "D(fake)", real = true }}
"""
"""Epochs of 4 steps (the longest group has 8 pictures); phases that begin, end and rest within them."""
OWN = {"time", "seconds", "images_per_second", "data", "memory"}
"""Keys of the log that no two starts share."""
STARTS = {"start", "end", "changed", "damaged"}
"""Events of a start, not of the training."""


def recipe(train: str = "") -> Recipe:
    return recipes.loads(RECIPE.format(train=train))


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


def start(folder: Path, way: Way, one: Recipe | None = None, resume: bool = False) -> Finished:
    """One start that is interrupted."""
    with mock.patch.object(stopping, "MOMENT", 0.0):
        return train(one or recipe(), folder=folder, resume=resume, listeners=[Interruption(way)], cpu=True)


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


def seen(folder: Path) -> list[tuple[str, int]]:
    return [(event["event"], event["step"]) for event in log_of(folder)]


OPERATIONS: tuple[tuple[Any, str], ...] = (
    (RunFolder, "write_event"),
    (RunFolder, "write_events"),
    (RunFolder, "truncate_log"),
    (RunFolder, "remove_pictures"),
    (Saving, "save"),
    (Saving, "name_best"),
    (Saving, "restore_best"),
    (Checkpoints, "save"),
    (Checkpoints, "name_best"),
    (Checkpoints, "_prune"),
)


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    """Kill the process before and after the operations above: at the `number`-th such moment; returns how many came."""
    count = 0

    def moment() -> None:
        nonlocal count
        count += 1
        if count == number:
            raise Killed

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **more: Any) -> Any:
            moment()
            result = original(*args, **more)
            moment()
            return result

        return operation

    for owner, name in OPERATIONS:
        monkeypatch.setattr(owner, name, around(getattr(owner, name)))
    return lambda: count


def killed_again_and_again(folder: Path, first: int, step: int) -> None:
    """Train through starts that are killed, each `step` moments later than the last one, until one reaches the end."""
    number, starts, done = first, 0, False
    while not done:
        with pytest.MonkeyPatch.context() as patch:
            count = killed_at(patch, number)
            try:
                begun = (folder / "resolved.toml").is_file()
                train(recipe(), folder=folder, resume=begun, cpu=True)
                done = True
            except Killed:
                starts += 1
        number += step if count() >= number else 0
    assert starts >= 3
