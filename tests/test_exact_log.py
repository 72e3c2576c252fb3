"""The log and the pictures of a run that is resumed: no gap, nothing twice, nothing left of another past."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.exact import (
    Killed,
    Way,
    assert_same,
    in_parts,
    killed_again_and_again,
    log_of,
    pictures_of,
    recipe,
    seen,
    start,
)
from tests.tiny import TinySource
from toonforge.errors import DataError, RunError, UnreadableImage
from toonforge.events import Measured, Step, Warned
from toonforge.runs import folder as run_folder
from toonforge.runs.folder import RunFolder
from toonforge.runs.leftovers import remove_after
from toonforge.train import looking
from toonforge.train.batches import safely
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.telling import Telling
from toonforge.train.trainer import Trainer, train
from toonforge.train.watch import Over, Watch
from toonforge.train.watch.finding import Finding
from toonforge.validation.grid import Drawn


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


def test_the_log_is_on_the_disk_before_the_checkpoint_that_follows_it(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses its power keeps what was flushed: no line of before a checkpoint may be missing."""
    flushed = [0]

    def sync(path: Path) -> None:
        if path.name == "metrics.jsonl":
            flushed[0] = path.stat().st_size

    save = Checkpoints.save

    def saved(self: Checkpoints, *args: Any) -> Path:
        assert flushed[0] == (tmp_path / "run/metrics.jsonl").stat().st_size
        return save(self, *args)

    monkeypatch.setattr(run_folder, "sync", sync)
    monkeypatch.setattr(Checkpoints, "save", saved)
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


def test_pictures_of_later_steps_go_with_their_lines_and_nothing_else_does(tiny: None, tmp_path: Path) -> None:
    train(recipe(), folder=tmp_path / "whole", cpu=True)
    with pytest.raises(Killed):
        start(tmp_path / "run", Way("kill", 6, "grid"))
    samples, drawn = tmp_path / "run/samples", tmp_path / "run/metrics"
    (samples / "step-000007").mkdir()
    (samples / ".step-000007.partial").mkdir()
    of_the_crash = [
        "step-000005.jpg",
        "step-000007/x.jpg",
        "step-000007.jpg",
        ".step-000007.partial/x.jpg",
        ".step-000008.jpg.7-0.partial",
    ]
    for name in of_the_crash:
        (samples / name).write_bytes(b"of a crash")
    for name in ("shade-step-000005.png", "shade-step-000007.png", ".shade-step-000007.png.7-3.partial"):
        (drawn / name).write_bytes(b"of a crash")
    mine = ["samples/notes.txt", "samples/my-step-000009.jpg", "metrics/step-000009.png", "metrics/shade-step-9.png"]
    for name in mine:
        (tmp_path / "run" / name).write_bytes(b"mine")
    train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    assert pictures_of(tmp_path / "run") == {**pictures_of(tmp_path / "whole"), **dict.fromkeys(mine, b"mine")}


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


def test_a_step_is_saved_once_and_a_stop_leaves_out_what_is_due_then(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "_should_stop", lambda self: self.done == 4)
    train(recipe(), folder=tmp_path / "run", cpu=True)
    at_the_stop = [event for event, step in seen(tmp_path / "run") if step == 4]
    assert at_the_stop == ["step", "checkpoint"], "no grid, though one is due"
    monkeypatch.undo()
    train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    saved = [step for event, step in seen(tmp_path / "run") if event == "checkpoint"]
    assert len(saved) == len(set(saved)) and saved[-1] == 8


def test_what_is_told_together_is_written_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(RunFolder, "write_events", lambda self, lines: written.append(len(lines)))
    monkeypatch.setattr(RunFolder, "write_event", lambda self, *line, **more: written.append(1))
    telling = Telling(RunFolder(tmp_path), main=True, listeners=[])
    with telling.together():
        for step in range(3):
            telling.write("grid", step)
        assert written == []
    assert written == [3]


@pytest.mark.parametrize(
    "error", [MemoryError(), RunError("no"), DataError("no")], ids=lambda error: type(error).__name__
)
def test_what_was_trained_is_saved_before_it_is_told_that_no_batch_comes(error: Exception) -> None:
    def batches() -> Iterator[Any]:
        yield "a batch"
        raise error

    done: list[Any] = []
    with pytest.raises(type(error)):
        done.extend(safely(batches(), lambda: done.append("saved")))
    assert done == ["a batch", "saved"]
