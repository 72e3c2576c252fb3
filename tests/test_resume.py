"""A run that is stopped and resumed equals one that was not, bit for bit; and what cannot be resumed says why."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
import torch
from safetensors.torch import load_file

from tests.forks import Forked
from tests.test_engine_equality import CARTOONGAN, CASES, CYCLEGAN
from tests.tiny import TinySource
from toonforge import recipe as recipes
from toonforge.components import Count
from toonforge.errors import DataError, Problem, RunError, UnreadableImage
from toonforge.events import RunInfo
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import CheckpointRule, Recipe
from toonforge.train.step import make_accelerator
from toonforge.train.trainer import train

TRAIN = "ema = 0.9\ncheckpoint = { every = 3, keep = 2 }\nlog.every = 1\nsamples.every = 2\n" + (
    'schedule = { type = "linear-decay", start = 2 }'
)
TRANSLATIONS = '\n[translations]\nphoto = "G(photo)"\n'


def stopped_at(recipe: Recipe, steps: int) -> Recipe:
    """The same recipe, its process ending after `steps`."""
    return attrs.evolve(recipe, train=attrs.evolve(recipe.train, steps=steps))


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a checkpoint by file and name."""
    files = sorted(folder.glob("*.safetensors"))
    assert files
    return {f"{file.name}:{key}": value.clone() for file in files for key, value in load_file(file).items()}


def losses(folder: Path) -> list[tuple[int, dict[str, float]]]:
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(event["step"], event["losses"]) for event in events if event["event"] == "step"]


@pytest.mark.parametrize("method", CASES)
def test_resumed_equals_uninterrupted(tiny: None, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, data, _ = CASES[method]
    recipe = recipes.loads(
        text.format(data=data, train=TRAIN.replace('schedule = { type = "linear-decay", start = 2 }', ""))
    )
    train(recipe, folder=tmp_path / "whole", cpu=True)
    interrupt_at(monkeypatch, 3)
    assert train(recipe, folder=tmp_path / "parts", cpu=True).reason == "interrupted"
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever happened in between must not matter
    finished = train(recipe, folder=tmp_path / "parts", resume=True, cpu=True)
    assert (finished.reason, finished.step) == ("done", 6)
    whole, parts = (tensors(tmp_path / run / "checkpoints/step-000006") for run in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for key, value in whole.items():
        assert torch.equal(value, parts[key]), key
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Make the run stop after `step` as a signal would."""
    from toonforge.train.trainer import Trainer

    monkeypatch.setattr(Trainer, "_should_stop", lambda self: self.done == step)


def test_the_schedule_goes_on_where_it_was(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=TRAIN))
    train(recipe, folder=tmp_path / "whole", cpu=True)
    interrupt_at(monkeypatch, 4)
    train(recipe, folder=tmp_path / "parts", cpu=True)
    monkeypatch.undo()
    train(recipe, folder=tmp_path / "parts", resume=True, cpu=True)
    whole, parts = (tensors(tmp_path / run / "checkpoints/step-000006") for run in ("whole", "parts"))
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_more_steps_continue_a_finished_run(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CARTOONGAN.format(data='fields = ["photo", "cartoon", "smooth"]', train=""))
    train(stopped_at(recipe, 4), folder=tmp_path / "run", cpu=True)
    finished = train(recipe, folder=tmp_path / "run", resume=True, cpu=True)
    assert finished.step == 6
    train(recipe, folder=tmp_path / "whole", cpu=True)
    whole, parts = (tensors(tmp_path / run / "checkpoints/step-000006") for run in ("whole", "run"))
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_only_the_newest_checkpoints_are_kept(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train="checkpoint = { every = 1, keep = 2 }"))
    train(recipe, folder=tmp_path / "run", cpu=True)
    names = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert names == ["latest", "step-000005", "step-000006"]
    assert (tmp_path / "run/checkpoints/latest").read_text().strip() == "step-000006"


def test_no_file_of_a_run_is_a_pickle(tiny: None, tmp_path: Path) -> None:
    train(recipes.loads(CYCLEGAN.format(data="", train="ema = 0.9") + TRANSLATIONS), folder=tmp_path / "run", cpu=True)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".jsonl", ".toml", ".jpg", ".csv", ".html", ""}
    assert not [path for path in files if path.read_bytes()[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"PK")]


class Notes:
    """Listens to what a run says when it begins."""

    notes: tuple[str, ...] = ()

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        self.notes = run.notes


@pytest.mark.parametrize("harm", ["truncate", "flip", "foreign", "missing", "no-description"])
def test_a_damaged_checkpoint_is_named_and_the_previous_one_used(tiny: None, tmp_path: Path, harm: str) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train="checkpoint = { every = 2, keep = 3 }"))
    train(recipe, folder=tmp_path / "run", cpu=True)
    whole = tensors(tmp_path / "run/checkpoints/step-000006")
    victim = (
        tmp_path / "run/checkpoints/step-000006" / ("checkpoint.json" if harm == "no-description" else "G.safetensors")
    )
    data = victim.read_bytes()
    if harm in ("missing", "no-description"):
        victim.unlink()
    else:
        changed = bytearray(data)
        changed[-5] ^= 1
        victim.write_bytes({"truncate": data[:-7], "flip": bytes(changed), "foreign": b"hello"}[harm])
    heard = Notes()
    train(recipe, folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert len(heard.notes) == 1 and victim.name in heard.notes[0]
    again = tensors(tmp_path / "run/checkpoints/step-000006")
    assert all(torch.equal(value, again[key]) for key, value in whole.items())
    named = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert any(victim.name in event.get("problem", "") for event in named if event["event"] == "damaged")


def test_a_half_written_checkpoint_is_ignored(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train="checkpoint = { every = 2, keep = 3 }"))
    train(stopped_at(recipe, 4), folder=tmp_path / "run", cpu=True)
    partial = tmp_path / "run/checkpoints/.partial-step-000006"
    partial.mkdir()
    (partial / "G.safetensors").write_bytes(b"cut")
    assert train(recipe, folder=tmp_path / "run", resume=True, cpu=True).step == 6
    assert not partial.exists()


def test_a_folder_that_is_there_is_not_overwritten(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    train(recipe, folder=tmp_path / "run", cpu=True)
    with pytest.raises(RunError, match="--resume"):
        train(recipe, folder=tmp_path / "run", cpu=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match="it is no run"):
        train(recipe, folder=tmp_path / "mine", cpu=True)
    assert (tmp_path / "mine/thesis.tex").read_text() == "years of work"


def test_resuming_what_is_no_run_says_so(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    with pytest.raises(RunError, match="no run to resume"):
        train(recipe, folder=tmp_path / "nothing", resume=True, cpu=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(RunError, match="no run to resume"):
        train(recipe, folder=tmp_path / "other", resume=True, cpu=True)


def test_resuming_another_recipe_says_what_differs(tiny: None, tmp_path: Path) -> None:
    text = CYCLEGAN.format(data="", train="")
    train(recipes.loads(text), folder=tmp_path / "run", cpu=True)
    other = recipes.loads(text.replace("weight = 10", "weight = 25", 1))
    with pytest.raises(RunError) as caught:
        train(other, folder=tmp_path / "run", resume=True, cpu=True)
    message = str(caught.value)
    assert "phases.generators.losses.cycle_photo.weight" in message and "25" in message and "10" in message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_later(tiny: None, tmp_path: Path, number: signal.Signals) -> None:
    text = CYCLEGAN.format(data="", train="log.every = 1")
    recipe, run = recipes.loads(text.replace("steps = 6", "steps = 20000")), tmp_path / "run"

    def work() -> int:
        finished = train(recipe, folder=run, cpu=True)
        print(finished.reason, finished.step)
        return 0

    with (tmp_path / "out").open("wb") as out, (tmp_path / "errors").open("wb") as errors:
        process = Forked(work, stdout=out, stderr=errors)
    log = run / "metrics.jsonl"
    deadline = time.monotonic() + 300
    while not (log.is_file() and log.read_text().count("\n") > 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(300) == 0, (tmp_path / "errors").read_text()[-2000:]
    reason, step = (tmp_path / "out").read_text().split()
    assert reason == "interrupted"
    assert (run / "checkpoints/latest").read_text().strip() == f"step-{int(step):06d}"
    more = attrs.evolve(recipe, train=attrs.evolve(recipe.train, steps=int(step) + 1))
    assert train(more, folder=run, resume=True, cpu=True).step == int(step) + 1


def test_a_loss_that_explodes_stops_the_run_and_keeps_the_checkpoints(tiny: None, tmp_path: Path) -> None:
    text = CYCLEGAN.format(data="", train='optimizer = { type = "sgd", lr = 1e30 }\nlog.every = 1')
    with pytest.raises(RunError, match="not a number"):
        train(recipes.loads(text), folder=tmp_path / "run", cpu=True)
    assert not list((tmp_path / "run/checkpoints").glob("step-*"))


def test_unreadable_validation_pictures_do_not_stop_a_run(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = TinySource.item

    def unreadable(self: TinySource, group: str, index: int, rng: object) -> object:
        if rng is None:
            raise UnreadableImage(f"{group}-{index}", "damaged")
        return item(self, group, index, rng)  # type: ignore[arg-type]

    monkeypatch.setattr(TinySource, "item", unreadable)
    recipe = recipes.loads(CYCLEGAN.format(data="", train="samples.every = 2") + TRANSLATIONS)
    finished = train(recipe, folder=tmp_path / "run", cpu=True)
    assert finished.reason == "done" and finished.grid is None
    assert "photo-0" in finished.skipped


def test_a_write_that_fails_within_safetensors_stops_with_one_message(tiny: None, tmp_path: Path) -> None:
    import resource

    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(RunError, match=os.strerror(errno.EFBIG)):
            train(recipe, folder=tmp_path / "run", cpu=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_damaged_checkpoint_takes_no_whole_ones_place(tiny: None, tmp_path: Path) -> None:
    rule = "checkpoint = { every = 1, keep = 1 }"
    recipe = recipes.loads(CYCLEGAN.format(data="", train=rule))
    train(stopped_at(recipe, 2), folder=tmp_path / "run", cpu=True)
    shutil.copytree(tmp_path / "run/checkpoints/step-000002", tmp_path / "run/checkpoints/step-000005")
    (tmp_path / "run/checkpoints/step-000005/G.safetensors").write_bytes(b"damaged")
    train(stopped_at(recipe, 4), folder=tmp_path / "run", resume=True, cpu=True)
    assert (tmp_path / "run/checkpoints/latest").read_text() == "step-000004\n"
    assert (tmp_path / "run/checkpoints/step-000004/checkpoint.json").is_file()


def test_a_folder_that_cannot_be_written_says_so(tiny: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        train(recipes.loads(CYCLEGAN.format(data="", train="")), folder=tmp_path / "file/run", cpu=True)


def test_keeping_is_what_may_change(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    train(stopped_at(recipe, 3), folder=tmp_path / "run", cpu=True)
    rule = CheckpointRule(every=Count(steps=1), keep=9)
    changed = attrs.evolve(recipe, train=attrs.evolve(recipe.train, checkpoint=rule))
    train(changed, folder=tmp_path / "run", resume=True, cpu=True)
    changes = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert any("train.checkpoint.keep" in event["change"] for event in changes if event["event"] == "changed")


def test_the_first_step_is_logged_whatever_the_interval(tiny: None, tmp_path: Path) -> None:
    train(recipes.loads(CYCLEGAN.format(data="", train="log.every = 4")), folder=tmp_path / "run", cpu=True)
    assert [step for step, _ in losses(tmp_path / "run")] == [1, 4, 6]


def test_a_run_without_a_checkpoint_begins_anew_and_says_so(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    train(recipe, folder=tmp_path / "run", cpu=True)
    shutil.rmtree(tmp_path / "run/checkpoints")
    (tmp_path / "run/checkpoints").mkdir()
    log = tmp_path / "run/metrics.jsonl"
    log.write_text(log.read_text("utf-8").splitlines(keepends=True)[0], "utf-8")  # as of a run that was killed at once
    heard = Notes()
    assert train(recipe, folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard]).step == 6
    assert heard.notes == ("there is no checkpoint yet: beginning at step 0",)


def test_a_loss_that_fails_is_named(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.losses import L1

    def build(self: L1) -> object:
        def broken(**tensors: object) -> None:
            raise ZeroDivisionError("no pixels")

        return broken

    monkeypatch.setattr(L1, "build", build)
    with pytest.raises(
        RuntimeError, match=r"phases\.generators\.losses\.cycle_photo \(l1\) failed: ZeroDiv.*: no pixels"
    ):
        train(recipes.loads(CYCLEGAN.format(data="", train="")), folder=tmp_path / "run", cpu=True)


def test_changed_pictures_are_noted(tiny: None, tmp_path: Path) -> None:
    from PIL import Image

    for field in ("photo", "anime"):
        (tmp_path / field).mkdir()
        for number in range(6):
            Image.new("RGB", (20, 20), (number * 40, 90, 10)).save(tmp_path / field / f"{number}.png")
    data = f'fields = {{ photo = "{tmp_path}/photo", anime = "{tmp_path}/anime" }}\nimage_size = 16\nload_size = 18'
    text = CYCLEGAN.format(data=data, train="").replace("tiny/pictures", "unpaired-folders")
    train(stopped_at(recipes.loads(text), 4), folder=tmp_path / "run", cpu=True)
    for number in range(6, 9):
        Image.new("RGB", (20, 20), (9, 90, number * 20)).save(tmp_path / "photo" / f"{number}.png")
    heard = Notes()
    train(recipes.loads(text), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    told = " / ".join(heard.notes)
    assert (
        "the training pictures of photo have changed (none of 5 is gone, 3 are new)" in told and "of anime" not in told
    )
    assert "train.steps: 4 -> 6" in told and "schedules over" not in told
    heard = Notes()
    train(recipes.loads(text), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert heard.notes == ()


def test_changed_validation_pictures_are_noted_listed_and_measured_apart(tiny: None, tmp_path: Path) -> None:
    from PIL import Image

    def draw(path: Path, shade: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (shade, 90, 10)).save(path)

    for folder, count in (("photo", 6), ("anime", 6), ("held/photo", 3), ("held/anime", 3)):
        for number in range(count):
            draw(tmp_path / folder / f"{number}.png", number * 40)
    folders = [f'{{ photo = "{at}/photo", anime = "{at}/anime" }}' for at in (tmp_path, tmp_path / "held")]
    data = f"fields = {folders[0]}\nvalidation_fields = {folders[1]}\nimage_size = 16\nload_size = 18"
    rule = 'metrics = { every = 1, best = "mean" }\n'
    metric = '[metrics]\nmean = { type = "tiny/mean", input = "photo" }\n'
    text = CYCLEGAN.format(data=data, train=rule).replace("tiny/pictures", "unpaired-folders") + TRANSLATIONS + metric
    train(stopped_at(recipes.loads(text), 3), folder=tmp_path / "run", cpu=True)
    before = json.loads((tmp_path / "run/lock.json").read_text())["data"]
    assert list(before) == ["photo", "anime", "validation: photo", "validation: anime"]
    (tmp_path / "held/photo/1.png").rename(tmp_path / "held/photo/renamed.png")
    heard = Notes()
    finished = train(recipes.loads(text), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    told = " / ".join(heard.notes)
    was, now = before["validation: photo"], json.loads((tmp_path / "run/lock.json").read_text())["data"]
    assert "the validation pictures of photo have changed (1 of 3 is gone, 1 is new)" in told
    assert now == {**before, "validation: photo": now["validation: photo"]} and was != now["validation: photo"]
    assert "mean begins to be measured in another way: its 3 earlier measurements no longer count" in told
    assert finished.best is not None and finished.best.step == 4
    assert "renamed.png" in (tmp_path / "run/data.csv").read_text()
    assert "pictures of anime" not in told and "training pictures" not in told
    heard = Notes()
    again = train(recipes.loads(text), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert heard.notes == () and again.best == finished.best


def test_a_part_that_is_gone_at_a_resume_is_noted(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.tiny import TinyPictures

    monkeypatch.setattr(TinyPictures, "splits", ("train", "validation", "test"))
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    train(recipe, folder=tmp_path / "run", cpu=True)
    build = TinyPictures.build

    def gone(self: TinyPictures, split: str) -> object:
        if split == "test":
            raise DataError(Problem(message="no pictures"))
        return build(self, split)

    monkeypatch.setattr(TinyPictures, "build", gone)
    heard = Notes()
    train(recipe, folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert "the test pictures of photo have changed (all 3 are gone)" in heard.notes[0]
    assert "test" not in (tmp_path / "run/data.csv").read_text()
    begun = tmp_path / "begun"
    with pytest.raises(DataError):
        train(recipe, folder=begun, cpu=True)


def test_processes_wait_for_one_that_measures_for_hours() -> None:
    handler = make_accelerator("fp32", cpu=True).init_handler
    assert handler is not None and handler.to_kwargs()["timeout"] >= timedelta(hours=6)
