"""What a run says in its log and to its listeners: how it starts, what looks wrong, and why it ended, however it did."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.test_best import events_of
from tests.test_engine_equality import CYCLEGAN
from tests.test_resume import TRANSLATIONS, interrupt_at
from tests.tiny import TinyMetric
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.events import Finished, RunInfo, Step, Warned
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.runs.log import read_events
from toonforge.runs.record import read_record
from toonforge.train.failures import not_finite
from toonforge.train.trainer import Trainer, train
from toonforge.train.watch import Over, Watch

EXPLODES = 'optimizer = { type = "sgd", lr = 1e30 }\n'


def recipe(train: str = "", more: str = "") -> Recipe:
    return recipes.loads(CYCLEGAN.format(data="", train=train) + TRANSLATIONS + more)


def last(folder: Path) -> dict[str, Any]:
    return list(read_events(folder))[-1]


class Listener:
    """Remembers the hooks that were called."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        self.heard.append(("started", run))

    @hookimpl
    def run_paused(self, step: int, what: str) -> None:
        self.heard.append((what, step))

    @hookimpl
    def grid_drawn(self, step: int, grid: Path) -> None:
        assert grid.is_file()
        self.heard.append(("drawn", step))

    @hookimpl
    def warned(self, warning: Warned) -> None:
        self.heard.append(("warned", warning))

    @hookimpl
    def warning_over(self, step: int, kind: str, about: str) -> None:
        self.heard.append(("over", (step, kind, about)))

    @hookimpl
    def run_finished(self, finished: Finished) -> None:
        self.heard.append(("finished", finished))

    def of(self, kind: str) -> list[Any]:
        return [what for heard, what in self.heard if heard == kind]


# -- the start ----------------------------------------------------------------------------------------------------------


def test_each_start_stands_in_the_log_with_its_phases_in_steps(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phases given in epochs, and one that ends after the run, as steps of this run."""
    text = CYCLEGAN.format(data="", train="ema = 0.9").replace(
        "[phases.generators]\n", "[phases.generators]\nfrom = { epochs = 1 }\nuntil = 90\nevery = 2\n", 1
    )
    timed = recipes.loads(text)
    interrupt_at(monkeypatch, 4)
    train(timed, folder=tmp_path / "run", cpu=True)
    monkeypatch.undo()
    train(timed, folder=tmp_path / "run", resume=True, cpu=True)
    first, second = read_record(tmp_path / "run").starts
    assert (first.step, second.step) == (0, 4)
    span = {phase.name: phase for phase in first.phases}["generators"]
    assert (span.start, span.stop, span.every, span.updates) == (first.steps_per_epoch, 6, 2, ("G", "F"))
    assert first.averaged == 0.9 and first.batch_size == 2 and first.total_steps == 6
    assert first.parameters["G"] > 0 and first.device == "cpu" and first.processes == 1
    assert next(read_events(tmp_path / "run"))["format"] == 1


def test_a_resume_says_in_the_log_what_it_says_to_the_user(tiny: None, tmp_path: Path) -> None:
    train(recipe("checkpoint = { every = 2, keep = 3 }"), folder=tmp_path / "run", cpu=True)
    (tmp_path / "run/checkpoints/step-000006/G.safetensors").write_bytes(b"damaged")
    heard = Listener()
    train(
        recipe("checkpoint = { every = 2, keep = 2 }"),
        folder=tmp_path / "run",
        resume=True,
        cpu=True,
        listeners=[heard],
    )
    (run,) = heard.of("started")
    assert len(run.notes) == 2 and run.first_step == 4
    assert read_record(tmp_path / "run").starts[-1].notes == run.notes


# -- the end ------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_ends_the_run_after_saying_what_helps(tiny: None, tmp_path: Path) -> None:
    heard = Listener()
    with pytest.raises(RunError, match="a loss became infinite or not a number") as caught:
        train(recipe(EXPLODES + "log.every = 1"), folder=tmp_path / "run", cpu=True, listeners=[heard])
    (problem,) = caught.value.problems
    assert "there is no checkpoint yet" in problem.message and "lower learning rate" in str(problem.hint)
    (warning,) = heard.of("warned")
    assert warning.kind == "not-finite" and warning.message in problem.message and warning.hint == problem.hint
    assert warning.step > 1 and f"a number at step {warning.step}" in warning.message  # the step before was known good
    (finished,) = heard.of("finished")
    assert finished.reason == "failed" and finished.warnings == (warning,)
    record = read_record(tmp_path / "run")
    assert [w.warned for w in record.warnings] == [warning]
    assert record.end is not None and record.end.reason == "failed" and warning.message in str(record.end.message)
    assert last(tmp_path / "run")["event"] == "end"
    null = [name for name, value in events_of(tmp_path / "run", "step")[-1]["losses"].items() if value is None]
    assert null and all(name in warning.about for name in null)


def test_a_checkpoint_of_no_numbers_is_never_written(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flag is read before each save, however far the next logged step is; the last good checkpoint stays."""
    rule = "log.every = 100\ncheckpoint = { every = 2, keep = 1 }\n"
    interrupt_at(monkeypatch, 2)
    train(recipe(rule), folder=tmp_path / "run", cpu=True)
    monkeypatch.undo()
    step = Trainer._steps

    def poisoned(self: Trainer) -> None:
        self.training.finite = torch.zeros((), dtype=torch.bool)
        step(self)

    monkeypatch.setattr(Trainer, "_steps", poisoned)
    with pytest.raises(RunError, match="between step 3 and step 4; checkpoints up to step 2 are kept"):
        train(recipe(rule), folder=tmp_path / "run", resume=True, cpu=True)
    assert [path.name for path in (tmp_path / "run/checkpoints").glob("step-*")] == ["step-000002"]


def test_a_best_checkpoint_of_no_numbers_is_never_written(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = '\n[metrics]\nmean = { type = "tiny/mean", input = "photo" }\n'
    rule = 'log.every = 100\nmetrics = { every = 2, best = "mean" }\n'
    step = Trainer._steps

    def poisoned(self: Trainer) -> None:
        self.training.finite = torch.zeros((), dtype=torch.bool)
        monkeypatch.setattr(Trainer, "_log", lambda self: None)
        step(self)

    monkeypatch.setattr(Trainer, "_steps", poisoned)
    with pytest.raises(RunError, match="step 2"):
        train(recipe(rule, metrics), folder=tmp_path / "run", cpu=True)
    assert not list((tmp_path / "run/checkpoints").iterdir())


@pytest.mark.parametrize(
    ("values", "good", "when", "about"),
    [
        ({"g.a": float("nan"), "g.b": 1.0}, 39, "at step 40; at step 40 these are: g.a", "g.a"),
        ({"g.a": float("inf"), "g.b": float("nan")}, 30, "between step 31 and step 40", "g.a, g.b"),
        ({"g.a": 1.0}, 30, "between step 31 and step 40", "losses"),
    ],
)
def test_what_is_not_finite_is_placed_between_known_steps(
    tiny: None, values: dict[str, float], good: int, when: str, about: str
) -> None:
    step = Step(step=40, losses=values, totals={}, images_per_second=1, memory=1, lr={"g": 0.002, "d": 0.002})
    warning = not_finite(step, good, recipe('precision = "bf16"'))
    assert when in warning.message and warning.about == about
    assert "(it was 0.002), train.clip = 1 or train.precision" in warning.hint
    assert "a lower train.clip (it is 3)" in not_finite(step, good, recipe("clip = 3")).hint


def fails(error: BaseException, at: int) -> Callable[..., None]:
    step = Trainer._log

    def log(self: Trainer) -> None:
        if self.done == at:
            raise error
        step(self)

    return log


@pytest.mark.parametrize(
    ("error", "raised", "reason", "message"),
    [
        (RunError("no such thing"), RunError, "failed", "no such thing"),
        (ZeroDivisionError("by\nzero"), ZeroDivisionError, "failed", "ZeroDivisionError: by"),
        (
            torch.cuda.OutOfMemoryError("tried 2 GiB\nmore"),
            RunError,
            "failed",
            "out of memory while training, after step 3: tried 2 GiB on cpu, with train.batch_size ",
        ),
        (KeyboardInterrupt(), KeyboardInterrupt, "interrupted", "left at once"),
    ],
    ids=["ours", "a-bug", "memory", "second-ctrl-c"],
)
def test_the_log_says_why_a_run_ended_before_its_end(
    tiny: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    raised: type[BaseException],
    reason: str,
    message: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_log", fails(error, 3))
        with pytest.raises(raised):
            train(recipe("log.every = 1"), folder=tmp_path / "run", cpu=True)
    end = last(tmp_path / "run")
    assert (end["event"], end["step"], end["reason"]) == ("end", 3, reason)
    assert end["message"].startswith(message)
    assert train(recipe("log.every = 1"), folder=tmp_path / "run", resume=True, cpu=True).reason == "done"
    assert [event["reason"] for event in events_of(tmp_path / "run", "end")] == ["done"]


def test_a_full_disk_that_takes_the_log_too_is_told_all_the_same(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toonforge.runs import folder

    def full(path: Path, event: str, step: int, **more: object) -> None:
        if step >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder, "write_event", full)
    heard = Listener()
    with pytest.raises(RunError, match="No space left"):
        train(recipe("log.every = 1"), folder=tmp_path / "run", cpu=True, listeners=[heard])
    assert [finished.reason for finished in heard.of("finished")] == ["failed"]


def test_a_run_that_fails_has_exit_code_2_one_message_and_its_report(
    tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.toml").write_text(CYCLEGAN.format(data="", train=EXPLODES + "log.every = 1"), "utf-8")
    assert main(["run", str(tmp_path / "r.toml"), "--cpu", "--out", str(tmp_path / "run")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("a loss became infinite") == 1 and "Traceback" not in err
    assert "infinite or not a number" in (tmp_path / "run/report.html").read_text("utf-8")


# -- on the way -----------------------------------------------------------------------------------------------------------


def test_grids_are_told_of_once_a_step(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a run is stopped at a step whose grid is due, and resumed when all are drawn."""
    interrupt_at(monkeypatch, 4)
    heard = Listener()
    train(recipe("samples.every = 2"), folder=tmp_path / "run", cpu=True, listeners=[heard])
    assert heard.of("drawing") == heard.of("drawn") == [2]
    monkeypatch.undo()
    for _ in range(2):
        train(recipe("samples.every = 2"), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert heard.of("drawing") == heard.of("drawn") == [2, 4, 6]
    assert [event["step"] for event in events_of(tmp_path / "run", "samples")] == [2, 4, 6]


def test_what_looks_wrong_is_told_and_written_when_it_begins_and_when_it_is_over(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned(step: int) -> Warned:
        return Warned(step=step, kind="one-colour", about="photo", message="all grey", hint="wait")

    changes = {2: [warned(2)], 4: [Over(step=4, kind="one-colour", about="photo")], 5: [warned(5)]}
    monkeypatch.setattr(Watch, "logged", lambda self, step: changes.get(step.step, []))
    heard = Listener()
    finished = train(recipe("log.every = 1"), folder=tmp_path / "run", cpu=True, listeners=[heard])
    assert heard.of("warned") == [warned(2), warned(5)] and finished.warnings == (warned(5),)
    assert heard.of("over") == [(4, "one-colour", "photo")]
    record = read_record(tmp_path / "run")
    assert [(w.warned.step, w.until) for w in record.warnings] == [(2, 4), (5, None)]


def test_a_resumed_watch_knows_what_was_told(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restored: list[int] = []
    monkeypatch.setattr(Watch, "restore", lambda self, record: restored.append(record.steps[-1].step))
    interrupt_at(monkeypatch, 4)
    train(recipe("log.every = 1"), folder=tmp_path / "run", cpu=True)
    assert restored == []
    monkeypatch.setattr(Trainer, "_should_stop", lambda self: False)
    train(recipe("log.every = 1"), folder=tmp_path / "run", resume=True, cpu=True)
    assert restored == [4]


@pytest.mark.parametrize("victim", ["watch", "report", "trackers"])
def test_nothing_that_only_looks_on_ends_a_training(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], victim: str
) -> None:
    from toonforge.report.writer import ReportWriter
    from toonforge.train.trackers import Trackers

    calls: list[int] = []

    def broken(self: object, *args: object, **more: object) -> None:
        calls.append(1)
        raise ZeroDivisionError("no pixels")

    if victim == "watch":
        monkeypatch.setattr(Watch, "logged", broken)
    elif victim == "report":
        monkeypatch.setattr(ReportWriter, "_write", broken)
    else:
        monkeypatch.setattr(Trackers, "_log", broken)
    text = "log.every = 1\nsamples.every = 1\n" + ('trackers = ["tensorboard"]' if victim == "trackers" else "")
    assert train(recipe(text), folder=tmp_path / "run", cpu=True).reason == "done"
    assert len(calls) == 1 and capsys.readouterr().err.count("left out from here on: ZeroDivisionError: no pixels") == 1


def test_a_listener_of_the_users_own_may_end_a_run(tiny: None, tmp_path: Path) -> None:
    class Broken:
        @hookimpl
        def step_finished(self, step: Step) -> None:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        train(recipe(), folder=tmp_path / "run", cpu=True, listeners=[Broken()])
    assert last(tmp_path / "run")["message"] == "ZeroDivisionError: mine"


def test_a_finished_run_says_how_its_numbers_were_made(tiny: None, tmp_path: Path) -> None:
    metrics = '\n[metrics]\nmean = { type = "tiny/mean", input = "photo" }\n'
    finished = train(recipe("", metrics), folder=tmp_path / "run", cpu=True)
    assert finished.about["mean"].better == "lower" and finished.about["mean"].pictures
    assert TinyMetric.lower_is_better is True


# -- speed ----------------------------------------------------------------------------------------------------------------

READS = ("item", "tolist", "__bool__", "__float__", "__int__", "__index__", "numpy", "cpu")


def test_no_step_waits_for_the_device(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are read from tensors where losses are logged and before a save, and at no other step."""
    done = [0]
    read: list[int] = []

    def counting(original: Any) -> Callable[..., Any]:
        def counted(self: torch.Tensor, *args: Any, **more: Any) -> Any:
            read.append(done[0])
            return original(self, *args, **more)

        return counted

    for name in READS:
        monkeypatch.setattr(torch.Tensor, name, counting(getattr(torch.Tensor, name)))
    original = Trainer._should_stop

    def should_stop(self: Trainer) -> bool:
        done[0] = self.done
        return original(self)

    monkeypatch.setattr(Trainer, "_should_stop", should_stop)
    rule = 'ema = 0.9\nclip = 1\nlog.every = 5\ncheckpoint.every = 7\nsamples.every = 100\noptimizer = { type = "sgd" }'
    text = CYCLEGAN.format(data="", train=rule).replace("steps = 6", "steps = 12")
    # Picture pools draw from a generator of the CPU.
    text = text.replace("pool(fake_anime, 3)", "fake_anime").replace("pool(fake_photo, 3)", "fake_photo")
    train(recipes.loads(text), folder=tmp_path / "run", cpu=True)
    # Steps 1, 5, 10 and 12 are logged, each while `done` is that of the step before; steps 7 and 12 are saved.
    assert read == [0, 4, 7, 9, 11]


def test_the_log_is_one_object_a_line(tiny: None, tmp_path: Path) -> None:
    train(recipe("samples.every = 2"), folder=tmp_path / "run", cpu=True)
    lines = (tmp_path / "run/metrics.jsonl").read_text("utf-8").splitlines()
    assert all({"event", "step", "time"} <= json.loads(line).keys() for line in lines)
    assert [json.loads(line)["event"] for line in lines[:2]] == ["start", "step"]
    assert json.loads(lines[-1])["event"] == "end"
