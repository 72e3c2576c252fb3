"""Everything that comes in the way of reading during a long training, in one short one that goes on to its end."""

from __future__ import annotations

import builtins
import errno
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.pictures import fill
from tests.ranks import together
from toonforge import recipe as recipes
from toonforge.cli.run_text import _reading
from toonforge.data.batch import Batch
from toonforge.data.reading.again import Retried
from toonforge.events import Finished, RunInfo, Step
from toonforge.plugins.hookspecs import hookimpl
from toonforge.runs.folder import RunFolder
from toonforge.runs.log import read_events
from toonforge.runs.record import read_record
from toonforge.runs.verdict import best_of
from toonforge.train.best import logged_measurements
from toonforge.train.stopping import Stopped, Stopping
from toonforge.train.telling import News, Telling
from toonforge.train.trainer import train

RECIPE = """
name = "hours"
[data]
type = "unpaired-folders"
image_size = 16
cache = "none"
fields = {{ photo = {photo} }}
validation_fields = {{ photo = {held_out} }}
[generators.G]
type = "tiny/generator"
[phases.p]
updates = ["G"]
losses.same = {{ type = "l1", input = "G(photo)", target = "photo" }}
[train]
steps = 36
batch_size = 2
workers = {workers}
log.every = 1
samples.every = 6
checkpoint = {{ every = 6, keep = 2 }}
metrics.every = 6
[translations]
photo = "G(photo)"
[metrics.mean]
type = "tiny/mean"
input = "G(photo)"
"""


def system(name: str) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number))


class FileSystem:
    """Opens picture files as a troubled file system does: picture's stem -> what happens at its n-th opening."""

    def __init__(self, troubles: dict[str, Callable[[int], object]]) -> None:
        self.troubles, self.openings = troubles, Counter[str]()

    def open(self, path: Any, *how: Any, **more: Any) -> Any:
        stem = Path(path).stem
        self.openings[stem] += 1
        happens = self.troubles.get(stem, lambda number: None)(self.openings[stem])
        if isinstance(happens, BaseException):
            raise happens
        return builtins.open(path, *how, **more)


def at(error: Callable[[], Exception], *openings: int) -> Callable[[int], object]:
    return lambda number: error() if number in openings else None


def from_(error: Callable[[], Exception], first: int) -> Callable[[int], object]:
    return lambda number: error() if number >= first else None


@pytest.fixture
def hours(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Finished, Path]]:
    """Trains over twelve pictures of a troubled file system; waits are short."""
    monkeypatch.setattr("toonforge.data.loader.WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr("toonforge.validation.items.WAITS", (0.0, 0.0, 0.0))
    monkeypatch.setattr("toonforge.train.reader.LONG", 0.1)

    def run(
        name: str, troubles: dict[str, Callable[[int], object]], workers: int, *listeners: object, more: str = ""
    ) -> Any:
        photos = fill(tmp_path / name / "photos", 12)
        held_out = fill(tmp_path / name / "held-out", 3, prefix="validation")
        text = RECIPE.format(photo=json.dumps(str(photos)), held_out=json.dumps(str(held_out)), workers=workers)
        text = text.replace("[train]", more or "[train]")
        with monkeypatch.context() as patch:
            patch.setattr("toonforge.data.reading.picture.open", FileSystem(troubles).open, raising=False)
            folder = tmp_path / name / "run"
            return train(recipes.loads(text), folder=folder, listeners=listeners, cpu=True), folder

    return run


class Spoils:
    """Listens to a run: after a step, files vanish, are emptied and overwritten."""

    def __init__(self, after: int, photos: Path) -> None:
        self.after, self.photos = after, photos

    @hookimpl
    def step_finished(self, run: RunInfo, step: Step) -> None:
        if step.step == self.after:
            (self.photos / "picture00.png").unlink()
            (self.photos / "picture01.png").write_bytes(b"")
            (self.photos / "picture02.png").write_bytes(b"<html>not found</html>")


def stalls(number: int) -> None:
    if number == 2:
        time.sleep(0.5)


TROUBLES: dict[str, Callable[[int], object]] = {
    "picture03": at(lambda: system("EIO"), 2),
    "picture04": at(lambda: system("ESTALE"), 1, 2, 4),
    "picture05": at(lambda: system("EMFILE"), 3, 4, 5),
    "picture06": at(MemoryError, 2, 3),
    "picture07": stalls,
    "validation01": at(lambda: system("ETIMEDOUT"), 2),
}
LASTING: dict[str, Callable[[int], object]] = {
    "picture08": from_(lambda: system("EACCES"), 2),  # permission lost
    "picture09": from_(lambda: system("EIO"), 3),  # a bad sector
}
GONE = {"picture00", "picture01", "picture02", "picture08"}


def lines(folder: Path, event: str) -> list[dict[str, Any]]:
    events = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return [line for line in events if line["event"] == event]


def stems(paths: Any) -> set[str]:
    return {Path(path).stem for path in paths}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_goes_on_through_everything_and_counts_it(
    hours: Callable[..., tuple[Finished, Path]], tmp_path: Path, workers: int
) -> None:
    spoils = Spoils(8, tmp_path / "troubled/photos")
    finished, folder = hours("troubled", {**TROUBLES, **LASTING}, workers, spoils)
    assert (finished.reason, finished.step) == ("done", 36)
    assert stems(finished.skipped) == {*GONE, "picture09"}
    assert stems(finished.retried) == stems(TROUBLES) - {"picture07"}
    assert workers or finished.waited >= 0.5  # a worker reads ahead
    # The log, the report and the last lines of the command say the same.
    once = [Path(line["path"]).stem for line in lines(folder, "skipped") if "passing" not in line]
    assert sorted(once) == sorted(GONE), "what is gone is said once"
    assert {Path(line["path"]).stem for line in lines(folder, "skipped") if "passing" in line} == {"picture09"}
    assert {(Path(line["path"]).stem, line["tries"]) for line in lines(folder, "retried")} == {
        ("picture03", 2), ("picture04", 3), ("picture04", 2), ("picture05", 4), ("picture06", 3), ("validation01", 2),
    }  # fmt: skip
    record = read_record(folder)
    assert dict(record.skipped) == dict(finished.skipped) and dict(record.retried) == dict(finished.retried)
    page = (folder / "report.html").read_text("utf-8")
    assert "5 skipped, because they cannot be read" in page and "5 read at a later try" in page
    assert all(stem in page for stem in (*GONE, "picture09"))
    said = "\n".join(_reading(finished))
    assert "skipped 5 unreadable pictures:" in said and "read 5 pictures at a later try" in said
    if workers == 0:
        assert "picture07" in {Path(line["path"] or "").stem for line in lines(folder, "waiting")}
        assert sum(record.waited) == pytest.approx(finished.waited, abs=0.1) and "waited 0:" in said
        assert "long waits for the disk" in page


def test_what_passes_leaves_the_training_bit_for_bit_what_it_would_have_been(
    hours: Callable[..., tuple[Finished, Path]],
) -> None:
    plain = hours("plain", {}, 0)[1]
    for workers in (0, 1):
        troubled = hours(f"troubled{workers}", TROUBLES, workers)[1]
        one, two = (load_file(run / "checkpoints/step-000036/G.safetensors") for run in (troubled, plain))
        assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
        assert [line["metrics"] for line in lines(troubled, "metrics")] == [
            line["metrics"] for line in lines(plain, "metrics")
        ]


def test_a_folder_that_is_emptied_ends_the_run_with_nothing_lost(
    hours: Callable[..., tuple[Finished, Path]], tmp_path: Path
) -> None:
    from toonforge.errors import DataError

    class Empties:
        @hookimpl
        def step_finished(self, run: RunInfo, step: Step) -> None:
            if step.step == 8:
                for file in (tmp_path / "emptied/photos").iterdir():
                    file.unlink()

    with pytest.raises(DataError, match="no readable picture is left") as caught:
        hours("emptied", {}, 0, Empties())
    assert "the file is missing" in str(caught.value) and caught.value.problems[0].hint is not None
    assert caught.value.problems[0].hint.endswith(f"go on with: toonforge run {tmp_path}/emptied/run --resume")
    (end,) = lines(tmp_path / "emptied/run", "end")
    assert end["reason"] == "failed" and "no readable picture" in end["message"]
    assert (tmp_path / "emptied/run/checkpoints/step-000008").is_dir(), "the steps until then are saved"
    fill(tmp_path / "emptied/photos", 12)
    text = (tmp_path / "emptied/run/resolved.toml").read_text("utf-8")
    assert train(recipes.loads(text), folder=tmp_path / "emptied/run", resume=True, cpu=True).step == 36


def _hears(rank: int, folder: Path) -> list[dict[str, str]]:
    """Four steps of a run whose second process skips and retries pictures; what it told by then."""
    telling, heard = Telling(RunFolder(folder), main=rank == 0, listeners=()), []
    own = [
        Batch([]),
        Batch([], {"a.png": "cut short", "b.png": "away"}, {"b.png"}, {"c.png": Retried("Stale file handle", 3)}),
        Batch([], {"a.png": "cut short"}),
        Batch([], {"b.png": "away"}, {"b.png"}),
    ]
    batches = own if rank else [Batch([], {"a.png": "cut short"}), *[Batch([])] * 3]
    trained: list[Batch] = []

    def hear(news: Sequence[News]) -> None:
        heard.append(news)
        telling.hear(len(trained), news)

    for batch in Stopping(lambda: None).waiting(batches, None, telling.news, hear):
        telling.arrived(len(trained), batch)
        trained.append(batch)
    assert rank or telling.retried == {"c.png": 1}
    return [telling.skipped, {str(number): str(news) for number, news in enumerate(heard)}]


def test_the_main_process_writes_down_what_others_skip_and_retry(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (skipped, heard), _ = together(2, lambda rank: _hears(rank, tmp_path))
    assert skipped == {"a.png": "cut short", "b.png": "away"}
    assert len(heard) == 4, "two processes' at the two steps with news: a.png is none the second time"
    told = [(line["step"], line["path"], line.get("passing", False)) for line in lines(tmp_path, "skipped")]
    assert told == [(0, "a.png", False), (1, "b.png", True), (3, "b.png", True)]
    assert [(line["step"], line["path"], line["tries"]) for line in lines(tmp_path, "retried")] == [(1, "c.png", 3)]
    assert "png" not in capfd.readouterr().err


def test_what_is_told_of_pictures_in_a_look_that_breaks_off_is_told_at_the_next(tmp_path: Path) -> None:
    telling = Telling(RunFolder(tmp_path), main=True, listeners=())
    telling.skip(1, "known.png", "cut short")

    def look() -> None:
        with telling.together():
            telling.skip(2, "a.png", "cut short")
            telling.retry(2, "b.png", Retried("Stale file handle", 2))
            raise Stopped

    with pytest.raises(Stopped):
        look()
    assert (telling.skipped, telling.retried) == ({"known.png": "cut short"}, {})
    with telling.together():
        telling.skip(2, "a.png", "cut short")
    assert [(line["step"], line["path"]) for line in lines(tmp_path, "skipped")] == [(1, "known.png"), (2, "a.png")]
    assert telling.skipped == {"known.png": "cut short", "a.png": "cut short"} and not lines(tmp_path, "retried")


def test_a_measurement_without_a_picture_that_is_away_just_now_is_left_out_of_the_ranking(
    hours: Callable[..., tuple[Finished, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is drawn and measured twice; then it fails at all tries of drawing, of measuring and of measuring anew."""
    away = {"validation01": at(lambda: system("EIO"), *range(5, 17))}
    ranked = '[train]\nmetrics.best = "mean"\nmetrics.patience = 99'
    finished, folder = hours("away", away, 0, more=ranked)
    measured = {line["step"]: line for line in lines(folder, "metrics")}
    missing = {step for step, line in measured.items() if line.get("complete") is False}
    assert missing == {18} and measured[18]["about"]["mean"]["pictures"] == {"input": 2}
    assert "validation01" in measured[18]["about"]["mean"]["cautions"][-1]
    assert all(line["about"]["mean"]["pictures"] == {"input": 3} for step, line in measured.items() if step != 18)
    said = [line for line in capsys.readouterr().err.splitlines() if "left out of the ranking" in line]
    assert len(said) == 1 and said[0].startswith("note: mean at step 18: ")
    assert not lines(folder, "changed"), "the ranking goes on"
    assert sorted(logged_measurements(read_events(folder), "mean")) == sorted({*measured} - {18})
    best = best_of(read_record(folder).measurements, "mean")
    assert best is not None and finished.best is not None and finished.best.step == best.step != 18
