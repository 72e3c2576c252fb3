"""k + k steps equal 2k steps, bit for bit, however a run is interrupted: every file, every line of the log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import pytest
import torch
from accelerate.state import AcceleratorState

from tests.exact import Interruption, Killed, Way, assert_same, checkpoint_of, in_parts, log_of, pictures_of
from tests.ranks import together
from tests.tiny import BuiltTinyMetric, TinyMetric, TinySource
from toonforge import recipe as recipes
from toonforge.errors import UnreadableImage
from toonforge.events import Finished, Measured, Step, Warned
from toonforge.recipe.model import Recipe
from toonforge.runs import folder as run_folder
from toonforge.runs.folder import RunFolder
from toonforge.runs.leftovers import remove_after
from toonforge.train import looking, saving, stopping
from toonforge.train.saving import Saving
from toonforge.train.trainer import train
from toonforge.train.watch import Over, Watch
from toonforge.train.watch.finding import Finding
from toonforge.validation.grid import Drawn

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


def recipe(train: str = "") -> Recipe:
    return recipes.loads(RECIPE.format(train=train))


def start(folder: Path, way: Way, one: Recipe | None = None, resume: bool = False) -> Finished:
    """One start that is interrupted."""
    with mock.patch.object(stopping, "MOMENT", 0.0):
        return train(one or recipe(), folder=folder, resume=resume, listeners=[Interruption(way)], cpu=True)


# -- every way to be interrupted ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe trained in one go."""
    from tests import tiny

    tiny.register()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(recipe(), folder=folder, cpu=True)
    kinds = {event["event"] for event in log_of(folder)}
    assert kinds >= {"step", "samples", "metrics", "checkpoint", "best"}
    return folder


PLACES = {
    "step": (3, 4, 6, 7),
    "drawing": (4, 6, 8),
    "grid": (2, 6, 8),
    "measuring": (3, 6, 8),
    "metrics": (3, 6, 8),
    "checkpoint": (4, 8),
    "best": (3,),
    "finished": (8,),
}
"""Where a run is interrupted -> after which steps, each in a start of its own: among them the last of a phase, of an
epoch and of the run, those of checkpoints, and those with a grid, with metrics and with both."""


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("where", PLACES)
def test_an_interruption_at_any_place_leaves_no_trace(
    tiny: None, whole: Path, tmp_path: Path, where: str, how: str
) -> None:
    ways = [Way(how, step, where) for step in PLACES[where]]
    ended = in_parts(recipe(), tmp_path / "run", ways)
    stopped = [None if one is None else (one.reason, one.step) for one in ended[:-1]]
    at_the_end = how == "stop" and where in ("metrics", "finished")  # nothing is left to do then
    expected = [None if how == "kill" else ("interrupted", way.at) for way in ways]
    assert stopped == ([*expected[:-1], ("done", 8)] if at_the_end else expected)
    assert_same(whole, tmp_path / "run", stops=[one.step for one in ended if one is not None and one.step < 8])


OPERATIONS: tuple[tuple[Any, str], ...] = (
    (RunFolder, "write_event"),
    (RunFolder, "write_events"),
    (RunFolder, "truncate_log"),
    (RunFolder, "remove_pictures"),
    (Saving, "save"),
    (Saving, "name_best"),
    (Saving, "restore_best"),
    (saving.Checkpoints, "save"),
    (saving.Checkpoints, "name_best"),
    (saving.Checkpoints, "_prune"),
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


@pytest.mark.parametrize("first", range(1, 12, 2))
def test_a_kill_at_any_operation_leaves_no_trace(tiny: None, whole: Path, tmp_path: Path, first: int) -> None:
    killed_again_and_again(tmp_path / "run", first, 11)
    assert_same(whole, tmp_path / "run")


def test_a_finished_run_is_resumed_without_a_trace(tiny: None, whole: Path, tmp_path: Path) -> None:
    first = train(recipe(), folder=tmp_path / "run", cpu=True)
    again = train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    assert_same(whole, tmp_path / "run")
    assert attrs.evolve(again, seconds=0, warnings=()) == attrs.evolve(first, seconds=0, warnings=())


class Fussy(Watch):
    """Finds something wrong at every other look of each kind."""

    def logged(self, step: Step) -> list[Warned | Over]:
        return self._told.changes(step.step, [finding("exploding", step.step in (3, 4, 7))])

    def drawn(self, step: int, drawn: Drawn) -> list[Warned | Over]:
        return self._told.changes(step, [finding("unchanged", step in (2, 6))])

    def measured(self, measured: Measured) -> list[Warned | Over]:
        return self._told.changes(measured.step, [finding("not-beaten", measured.step in (3, 8))])


def finding(kind: str, wrong: bool) -> Finding:
    return Finding(kind=kind, about="anime", begins=wrong, lasts=wrong, message="it is so", hint="wait")


@pytest.mark.parametrize("first", range(1, 8, 2))
def test_what_looks_wrong_is_said_once_whenever_a_run_is_killed(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(looking, "Watch", Fussy)
    train(recipe(), folder=tmp_path / "whole", cpu=True)
    assert {"warning", "over"} <= {event for event, _ in seen(tmp_path / "whole")}
    killed_again_and_again(tmp_path / "parts", first, 7)
    assert_same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("where", ["drawing", "grid"])
def test_a_kill_while_drawing_costs_no_step_where_a_checkpoint_was_due(tiny: None, tmp_path: Path, where: str) -> None:
    with pytest.raises(Killed):
        start(tmp_path / "run", Way("kill", 4, where))
    assert checkpoint_of(tmp_path / "run", "latest")[""] == b"step-000004"


def test_the_log_is_on_the_disk_before_the_checkpoint_that_follows_it(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses its power keeps what was flushed: no line of before a checkpoint may be missing."""
    flushed = [0]

    def sync(path: Path) -> None:
        if path.name == "metrics.jsonl":
            flushed[0] = path.stat().st_size

    save = saving.Checkpoints.save

    def saved(self: saving.Checkpoints, *args: Any) -> Path:
        assert flushed[0] == (tmp_path / "run/metrics.jsonl").stat().st_size
        return save(self, *args)

    monkeypatch.setattr(run_folder, "sync", sync)
    monkeypatch.setattr(saving.Checkpoints, "save", saved)
    train(recipe(), folder=tmp_path / "run", cpu=True)
    assert flushed[0] > 0


LOG = [("samples", 8, ""), ("metrics", 8, ""), ("changed", 8, "train.workers: 0 -> 1")]


@pytest.mark.parametrize(
    ("more", "changes", "expected"),
    [
        ([], [], {"samples", "metrics"}),
        ([], ["train.steps: 6 -> 8"], {"samples", "metrics"}),
        ([], ["metrics.psnr: nothing -> {}"], {"samples"}),
        ([], ["translations.anime: a -> b"], {"metrics"}),
        ([("changed", 8, "the validation pictures of photo have changed")], [], set()),
        ([("changed", 8, "metrics.psnr: nothing -> {}"), ("metrics", 8, "")], [], {"samples", "metrics"}),
    ],
)
def test_a_finished_run_shows_again_what_a_change_makes_different(
    more: list[tuple[str, int, str]], changes: list[str], expected: set[str]
) -> None:
    """Also after a kill between the change's line and the measurement; before its end a run goes on as it was."""
    log = [{"event": event, "step": step, "change": change} for event, step, change in (*LOG, *more)]
    assert looking.seen_at(log, 8, changes, as_now=True) == expected
    assert looking.seen_at(log, 8, changes, as_now=False) == {"samples", "metrics"}
    assert looking.seen_at(log, 7, changes, as_now=True) == set()


# -- kinds of training --------------------------------------------------------------------------------------------------

KINDS = {
    "accumulate": "accumulate = 2",
    "workers": "workers = 1",
    "bf16": 'precision = "bf16"',
    "fp64": 'precision = "fp64"\nclip = 0.5',
    "momentum": 'optimizer = { type = "sgd", lr = 0.01, momentum = 0.9 }',
    "rmsprop": 'optimizer = { type = "rmsprop", lr = 0.01 }',
    "cosine": "",
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_training_resumes_exactly(tiny: None, tmp_path: Path, kind: str) -> None:
    text = RECIPE.format(train=KINDS[kind])
    if kind == "cosine":
        text = text.replace('{ type = "linear-decay", start = 3 }', '{ type = "cosine", warmup = 2 }')
    one = recipes.loads(text)
    train(one, folder=tmp_path / "whole", cpu=True)
    in_parts(one, tmp_path / "parts", [Way("stop", 3), Way("kill", 4, "checkpoint"), Way("kill", 7)])
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[3])


def test_two_processes_resume_exactly(tiny: None, tmp_path: Path) -> None:
    """Each process its own pools; stopped by a signal to one of them, and killed after a checkpoint."""
    one = recipe("processes = 2")

    def work(rank: int) -> None:
        AcceleratorState._reset_state(reset_partial_state=True)  # of what this process was forked from
        train(one, folder=tmp_path / "whole", cpu=True)
        save = Saving.save

        def killed(self: Saving, step: int) -> None:
            save(self, step)
            if step == 4:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Saving, "save", killed)
            with pytest.raises(Killed):
                train(one, folder=tmp_path / "parts", cpu=True)
        stopped = start(tmp_path / "parts", Way("stop", 6, "measuring"), one, resume=True)
        assert (stopped.reason, stopped.step) == ("interrupted", 6)
        assert train(one, folder=tmp_path / "parts", resume=True, cpu=True).reason == "done"

    together(2, work)
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[6])
    files = checkpoint_of(tmp_path / "parts", "latest")
    assert files["ops.rank0.safetensors"] != files["ops.rank1.safetensors"]


# -- drawing and measuring that are stopped -----------------------------------------------------------------------------


@pytest.mark.parametrize(("where", "step", "missing"), [("drawing", 4, "samples"), ("measuring", 3, "metrics")])
def test_what_is_stopped_leaves_nothing_and_is_made_up_for_first(
    tiny: None, tmp_path: Path, where: str, step: int, missing: str
) -> None:
    ended = start(tmp_path / "run", Way("stop", step, where))
    assert (ended.reason, ended.step) == ("interrupted", step)
    assert (missing, step) not in seen(tmp_path / "run")
    assert not [name for name in pictures_of(tmp_path / "run") if f"step-{step:06d}" in name and where == "drawing"]
    train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    order = [event for event in seen(tmp_path / "run") if event[0] != "checkpoint"]
    assert order.index((missing, step)) < order.index(("step", step + 1))


def seen(folder: Path) -> list[tuple[str, int]]:
    return [(event["event"], event["step"]) for event in log_of(folder)]


# -- what else could differ ---------------------------------------------------------------------------------------------


class BuiltRandom(BuiltTinyMetric):
    """A metric that draws from the global streams of all libraries whenever it is asked for anything."""

    def __init__(self) -> None:
        super().__init__()
        self.means += [draw()]

    def update(self, **tensors: torch.Tensor) -> None:
        super().update(**tensors)
        self.means += [draw()]

    def compute(self) -> dict[str, float]:
        return {"": sum(self.means) + draw()}

    def draw(self) -> Any:
        return None


def draw() -> float:
    import random

    import numpy as np

    return float(torch.rand(())) + float(np.random.rand()) + random.random()


def test_metrics_and_pictures_that_draw_random_numbers_are_the_same_after_a_resume(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = TinySource.item

    def noisy(self: TinySource, group: str, index: int, rng: Any) -> Any:
        return {key: value + draw() / 100 for key, value in item(self, group, index, rng).items()}

    monkeypatch.setattr(TinySource, "item", noisy)
    monkeypatch.setattr(TinyMetric, "build", lambda self, device: BuiltRandom())
    train(recipe(), folder=tmp_path / "whole", cpu=True)
    in_parts(recipe(), tmp_path / "parts", [Way("stop", 3), Way("kill", 5)])
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[3])


def test_an_unreadable_picture_is_named_once_however_often_a_run_is_resumed(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = TinySource.item

    def unreadable(self: TinySource, group: str, index: int, rng: Any) -> Any:
        if index == 1:
            raise UnreadableImage(f"{group}-{index}", "damaged")
        return item(self, group, index, rng)

    monkeypatch.setattr(TinySource, "item", unreadable)
    finished = train(recipe(), folder=tmp_path / "whole", cpu=True)
    ended = in_parts(recipe(), tmp_path / "parts", [Way("kill", 4, "checkpoint"), Way("stop", 6)])
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[6])
    assert [event["path"] for event in log_of(tmp_path / "parts") if event["event"] == "skipped"]
    assert ended[-1] is not None and ended[-1].skipped == finished.skipped != {}


def test_pictures_of_later_steps_go_with_their_lines_and_nothing_else_does(
    tiny: None, whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        start(tmp_path / "run", Way("kill", 6, "grid"))
    samples, drawn = tmp_path / "run/samples", tmp_path / "run/metrics"
    (samples / "step-000007").mkdir()
    (samples / ".step-000006.partial").mkdir()
    of_the_crash = ["step-000007/x.jpg", "step-000007.jpg", ".step-000006.partial/x.jpg", ".step-000008.jpg.partial"]
    for name in of_the_crash:
        (samples / name).write_bytes(b"of a crash")
    (drawn / "shade-step-000007.png").write_bytes(b"of a crash")
    mine = ["samples/notes.txt", "samples/my-step-000009.jpg", "metrics/step-000009.png", "metrics/shade-step-9.png"]
    for name in mine:
        (tmp_path / "run" / name).write_bytes(b"mine")
    train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    assert pictures_of(tmp_path / "run") == {**pictures_of(whole), **dict.fromkeys(mine, b"mine")}


def test_no_link_is_followed_and_none_removed(tmp_path: Path) -> None:
    kept, run = tmp_path / "kept", tmp_path / "run"
    for folder in (kept / "step-000009", run / "samples", run / "elsewhere"):
        folder.mkdir(parents=True)
    for name in ("a.jpg", "step-000009.jpg", "step-000009/a.jpg", "psnr-step-000009.png"):
        (kept / name).write_bytes(b"mine")
    (run / "samples/step-000009").symlink_to(kept / "step-000009", target_is_directory=True)
    (run / "samples/step-000009.jpg").symlink_to(kept / "step-000009.jpg")
    (run / "metrics").symlink_to(kept, target_is_directory=True)
    remove_after(run, 3)
    assert sorted(os.listdir(run / "samples")) == ["step-000009", "step-000009.jpg"]
    files = sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file())
    assert files == ["a.jpg", "psnr-step-000009.png", "step-000009.jpg", "step-000009/a.jpg"]
