"""`toonforge run`: exit codes, what is shown while it trains and at the end, and several processes."""

from __future__ import annotations

import io
import json
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import attrs
import click
import pytest

from toonforge import events
from toonforge.cli import main
from toonforge.cli.processes import free_port, launch
from toonforge.cli.progress import Progress
from toonforge.cli.run_text import duration, loss_lines, measured_lines, summary
from toonforge.errors import RunError
from toonforge.recipe import load
from toonforge.recipe.model import Recipe

RECIPE = """
name = "small"
[data]
type = "tiny/pictures"
[generators]
G = { type = "tiny/generator" }
[phases.generators]
updates = ["G"]
[phases.generators.losses]
same = { type = "l1", input = "G(photo)", target = "photo" }
a_longer_name = { type = "l2", input = "G(photo)", target = "photo", weight = 2 }
[train]
steps = 4
batch_size = 2
log = { every = 1 }
[translations]
anime = "G(photo)"
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def recipe(tmp_path: Path, tiny: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(RECIPE, "utf-8")
    return path


def test_a_run_shows_plain_lines_and_ends_with_the_next_command(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "small.toml", "--cpu"]) == 0
    out, err = capsys.readouterr()
    assert "step 4/4  100%  generators" in err and "images/s" in err
    assert "finished after step 4 of 4" in out
    assert out.rstrip().endswith("next: toonforge translate runs/small photo.jpg")
    assert "\x1b" not in out + err
    assert Path("runs/small/samples/step-000004.jpg").is_file()
    assert Path("runs/small/recipe.toml").read_text("utf-8") == RECIPE


def test_a_trained_run_translates_the_picture_that_the_next_command_names(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    assert main(["run", "small.toml", "--cpu"]) == 0
    Image.new("RGB", (20, 12), "red").save("photo.jpg")
    words = capsys.readouterr().out.rstrip().rpartition("next: toonforge ")[2].split()
    assert main([*words, "--cpu"]) == 0
    with Image.open("translated/photo.jpg") as image:
        assert image.size == (20, 12)


def test_a_run_that_is_there_is_continued_only_when_asked(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.toml", "--cpu"]) == 0
    assert main(["run", "small.toml", "--cpu"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["run", "runs/small"]) == 2
    assert main(["run", "runs/small", "--resume", "--set", "train.steps=6", "--cpu"]) == 0
    out, err = capsys.readouterr()
    assert "continuing after step 4" in err
    assert "finished after step 6 of 6" in out
    assert Path("runs/small/recipe.toml").read_text("utf-8") == RECIPE


def test_the_run_goes_where_it_is_told(recipe: Path) -> None:
    assert main(["run", "small.toml", "--cpu", "--name", "other"]) == 0
    assert main(["run", "small.toml", "--cpu", "--out", "elsewhere/here"]) == 0
    assert Path("runs/other/resolved.toml").is_file()
    assert Path("elsewhere/here/resolved.toml").is_file()
    assert main(["run", "small.toml", "--name", "a/b"]) == 2


@pytest.mark.parametrize("name", ["Käse", "Läuft <b>fett&amp;", "a/b", "", ".", "..", "-x", "a\0b", "x" * 101])
def test_a_name_that_no_recipe_may_have_is_refused_before_training(
    recipe: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "small.toml", "--cpu", f"--name={name}"]) == 2
    given = capsys.readouterr().err
    recipe.write_text(RECIPE.replace('name = "small"', f"name = {json.dumps(name)}"), "utf-8")
    assert main(["run", "small.toml", "--cpu"]) == 2
    written = capsys.readouterr().err
    for part in ("name: not a name for a folder", repr(name)[:60], "a-z, A-Z, 0-9, . _ -"):
        assert part in given and part in written
    assert not Path("runs").exists()


def test_suggested_commands_can_be_pasted_into_a_shell(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = "runs/it's <b>bold & new"
    assert main(["run", "small.toml", "--cpu", "--out", folder]) == 0
    command = click.unstyle(capsys.readouterr().out).rpartition("next: ")[2]
    assert shlex.split(command) == ["toonforge", "translate", folder, "photo.jpg"]
    assert main(["run", folder]) == 2
    hint = " ".join(capsys.readouterr().err.rpartition("with: ")[2].partition(";")[0].split())
    assert shlex.split(hint) == ["toonforge", "run", folder, "--resume"]
    loaded = load(recipe)
    run, step, finished = example(loaded)
    run = attrs.evolve(run, folder=Path(folder))
    for change in ({"reason": "interrupted"}, {}):
        plain = loaded if change else attrs.evolve(loaded, translations={})
        text = click.unstyle(summary(run, attrs.evolve(finished, **change), plain, step, None))
        words = shlex.split(text.rpartition("next: ")[2])
        assert words[:1] == ["toonforge"] and words[2].startswith(folder)


def test_ctrl_c_saves_a_checkpoint_and_gives_code_130(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from toonforge.cli import progress

    class Interrupting(progress.Progress):
        @progress.hookimpl
        def step_finished(self, run: events.RunInfo, step: events.Step) -> None:
            if step.step == 2:
                signal.raise_signal(signal.SIGINT)

    before, progress.Progress = progress.Progress, Interrupting  # type: ignore[misc]
    try:
        assert main(["run", "small.toml", "--cpu", "--set", "train.steps=500"]) == 130
    finally:
        progress.Progress = before  # type: ignore[misc]
    out = capsys.readouterr().out
    assert "stopped after step" in out
    assert "next: toonforge run runs/small --resume" in out
    assert list(Path("runs/small/checkpoints").glob("step-*/G.safetensors"))


def example(recipe: Recipe) -> tuple[events.RunInfo, events.Step, events.Finished]:
    run = events.RunInfo(
        name="small",
        folder=Path("runs/small"),
        first_step=0,
        total_steps=4,
        steps_per_epoch=3,
        phases=tuple(recipe.phases),
        parameters={"G": 1_234_567},
        device="cpu",
        processes=1,
    )
    step = events.Step(
        step=4,
        losses={"generators.same": 0.5, "generators.a_longer_name": 12345.678},
        totals={"generators": 24691.9},
        images_per_second=12.34,
        memory=1,
        lr={"generators": 2e-4},
    )
    finished = events.Finished(
        step=4,
        reason="done",
        metrics={"kid": {"": 83.7, "std": 3.1, "untranslated": 92.8, "untranslated_std": 2.9}},
        grid=Path("runs/small/samples/step-000004.jpg"),
        skipped={"data/a.jpg": "the file is empty"},
        seconds=192.0,
    )
    return run, step, finished


def test_the_summary_holds_the_table_of_metrics_and_names_what_was_skipped(recipe: Path) -> None:
    loaded = load(recipe)
    run, step, finished = example(loaded)
    text = summary(run, finished, loaded, step, Path("runs/small/checkpoints/x"))
    (row,) = [line for line in text.splitlines() if line.startswith("  kid ")]
    assert row.index("83.7 ± 3.1") < row.index("92.8 ± 2.9")
    for part in (
        "in 3:12",
        "runs/small/samples/step-000004.jpg",
        "data/a.jpg: the file is empty",
        "skipped 1 unreadable picture:",
    ):
        assert part in text


def test_losses_stand_in_columns_that_fit_the_width(recipe: Path) -> None:
    loaded = load(recipe)
    _, step, _ = example(loaded)
    for columns in (40, 80, 120):
        lines = loss_lines(step, loaded, columns)
        assert all(len(line) <= columns for line in lines)
        assert "".join(lines).count("a_longer_name") == 1


def test_a_terminal_gets_one_live_display_that_is_closed_at_the_end(recipe: Path) -> None:
    loaded = load(recipe)
    run, step, finished = example(loaded)
    stream = Terminal()
    progress = Progress(loaded, stream)
    progress.run_started(run)
    assert progress.live is not None
    progress.step_finished(run, step)
    progress.run_finished(run, finished)
    assert progress.live is None
    assert "4/4" in stream.getvalue() and "same" in stream.getvalue()


def test_the_time_left_follows_the_pace_of_late(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a minute lies between two logged steps."""
    loaded = load(recipe)
    run, step, _ = example(loaded)
    run, clock = attrs.evolve(run, total_steps=40), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    progress = Progress(loaded, Terminal())
    progress.run_started(run)
    shown = []
    for done, clock[0] in ((10, 60.0), (20, 260.0)):
        progress.step_finished(run, attrs.evolve(step, step=done))
        assert progress.bar is not None
        shown.append(progress.bar.tasks[0].fields["left"])
    progress.close()
    assert shown == ["3:00 left", "4:20 left"]  # 30 steps of 6 s; 20 steps of (6 + 20) / 2 s


@pytest.mark.parametrize(("done", "first"), [(0, 1), (1, 3), (3, 4)])
def test_before_the_first_losses_the_display_says_when_they_come(recipe: Path, done: int, first: int) -> None:
    loaded = load(recipe, ["train.log.every=3"])
    run = attrs.evolve(example(loaded)[0], first_step=done)
    stream = Terminal()
    progress = Progress(loaded, stream)
    progress.run_started(run)
    progress.close()
    assert f"first losses at step {first}" in stream.getvalue()


def test_a_run_that_is_done_says_how_to_train_longer(recipe: Path) -> None:
    loaded = load(recipe)
    run, _, _ = example(loaded)
    run, stream = attrs.evolve(run, first_step=4, idle=True), Terminal()
    progress = Progress(loaded, stream)
    progress.run_started(run)
    progress.run_paused(run, 4, "drawing")
    assert progress.live is None
    assert "all 4 steps are done" in stream.getvalue() and "--set train.steps=" in stream.getvalue()
    assert "drawing the validation grid" in stream.getvalue()


def test_the_display_says_what_a_run_pauses_for(recipe: Path) -> None:
    loaded = load(recipe)
    run, step, _ = example(loaded)
    progress = Progress(loaded, Terminal())
    progress.run_started(run)
    assert progress.bar is not None

    def left() -> str:
        assert progress.bar is not None
        return str(progress.bar.tasks[0].fields["left"])

    progress.step_finished(run, attrs.evolve(step, step=2))
    before = left()
    progress.run_paused(run, 2, "drawing")
    assert left() == "drawing …"
    progress.grid_drawn(run, 2, Path("x.jpg"))
    assert left() == before != "drawing …"
    progress.close()


WARNED = events.Warned(step=3, kind="inverted", about="anime", message="colours are inverted", hint="more steps " * 20)


@pytest.mark.parametrize("live", [True, False])
def test_warnings_bests_and_measurements_are_shown_when_they_come(recipe: Path, live: bool) -> None:
    loaded = load(recipe)
    run, _, finished = example(loaded)
    stream = Terminal() if live else io.StringIO()
    progress = Progress(loaded, stream)
    progress.run_started(run)
    about = {"kid": events.About(better="lower", protocol="", pictures={})}
    progress.metrics_measured(run, events.Measured(step=2, metrics=finished.metrics, about=about))
    progress.best_improved(run, events.Best(metric="kid", value=83.7, step=2))
    progress.warned(run, WARNED)
    progress.close()
    shown = click.unstyle(stream.getvalue())
    assert "report: runs/small/report.html" in shown
    assert "step 2: kid 83.7 ± 3.1 (untranslated 92.8 ± 2.9)" in shown
    assert "step 2: best so far: kid 83.7 ± 3.1" in shown
    assert "warning: at step 3: colours are inverted" in shown and "  hint: more steps" in shown


def test_a_warning_that_is_over_is_said_in_a_line(recipe: Path) -> None:
    loaded = load(recipe)
    run, stream = example(loaded)[0], io.StringIO()
    progress = Progress(loaded, stream)
    progress.warned(run, WARNED)
    before = stream.getvalue()
    for _ in range(2):
        progress.warning_over(run, 4, WARNED.kind, WARNED.about)
    assert click.unstyle(stream.getvalue().removeprefix(before)).splitlines() == [
        "step 4: over: the warning of step 3 about anime (inverted)",
        "step 4: over: the warning about anime (inverted)",
    ]


@pytest.mark.parametrize("columns", [60, 80])
def test_what_is_measured_fits_the_terminal_and_keeps_errors_beside_their_values(
    recipe: Path, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    run, _, finished = example(load(recipe))
    metrics = {f"kid_{i}": finished.metrics["kid"] for i in range(4)}
    about = {name: events.About(better="lower", protocol="", pictures={}) for name in metrics}
    lines = measured_lines(run, events.Measured(step=2, metrics=metrics, about=about)).splitlines()
    assert len(lines) > 1 and all(len(line) < columns and line.count("±") for line in lines)
    assert not any(line.rstrip().endswith("±") or line.strip().startswith("±") for line in lines)


def test_the_error_of_the_best_is_known_after_a_resume_and_of_a_part(recipe: Path) -> None:
    loaded = load(recipe)
    run, step, finished = example(loaded)
    run.folder.mkdir(parents=True)
    events_of = [(2, {"kid": 80.0, "kid.std": 1.5, "kid.far": 2.0, "kid.far_std": 0.25}), (4, {"kid": 83.7})]
    lines = [json.dumps({"event": "metrics", "step": at, "time": 1, "metrics": found}) for at, found in events_of]
    (run.folder / "metrics.jsonl").write_text("\n".join(lines), "utf-8")
    for metric, at, words in (("kid", 2, "80 ± 1.5"), ("kid.far", 2, "2 ± 0.25"), ("kid", 4, "83.7")):
        value = 80.0 if (metric, at) == ("kid", 2) else 2.0 if at == 2 else 83.7
        best = events.Best(metric=metric, value=value, step=at)
        error = Progress(loaded, io.StringIO())._error(run.folder, best)
        said = summary(run, attrs.evolve(finished, best=best), loaded, step, None, None, error)
        assert f"({metric} {words})" in said


def test_a_stopped_run_shows_what_it_measured_last_and_of_which_step(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load(recipe)
    run, step, finished = example(loaded)
    measured = events.Measured(step=2, metrics=finished.metrics, about={})
    for last, when in ((attrs.evolve(finished, step=3, reason="interrupted", metrics={}), 2), (finished, 4)):
        progress = Progress(loaded, io.StringIO())
        progress.metrics_measured(run, measured)
        progress.step_finished(run, step)
        progress.run_finished(run, last)
        said = capsys.readouterr().out
        assert f"metrics of step {when} " in said and "83.7 ± 3.1" in said and "losses of step 4" in said
        assert said.count("metrics of step") == 1


@pytest.mark.parametrize(("reason", "cleared"), [("done", True), ("interrupted", True), ("failed", False)])
def test_the_display_goes_where_the_summary_follows(recipe: Path, reason: str, cleared: bool) -> None:
    loaded = load(recipe)
    run, step, finished = example(loaded)
    stream = Terminal()
    progress = Progress(loaded, stream)
    progress.run_started(run)
    progress.step_finished(run, step)
    assert progress.live is not None
    live = progress.live
    progress.run_finished(run, attrs.evolve(finished, reason=reason))
    assert live.transient is cleared and progress.live is None


def test_a_warning_is_yellow_and_what_ends_the_run_is_left_to_the_error(recipe: Path) -> None:
    loaded = load(recipe)
    run, stream = example(loaded)[0], Terminal()
    progress = Progress(loaded, stream)
    progress.warned(run, attrs.evolve(WARNED, kind="not-finite"))
    assert stream.getvalue() == ""
    progress.warned(run, WARNED)
    assert click.style("warning", fg="yellow", bold=True) in stream.getvalue()


def test_the_summary_says_why_it_ended_early_where_the_best_lies_and_what_looked_wrong(recipe: Path) -> None:
    loaded = load(recipe)
    rule = attrs.evolve(loaded.train.metrics, best="kid", patience=5)
    loaded = attrs.evolve(loaded, train=attrs.evolve(loaded.train, metrics=rule))
    run, step, finished = example(loaded)
    run = attrs.evolve(run, total_steps=2000)
    best = events.Best(metric="kid", value=83.1, step=400)
    finished = attrs.evolve(finished, step=900, reason="no-improvement", best=best, warnings=(WARNED,))
    Path("runs/small").mkdir(parents=True)
    assert "report.html" not in summary(run, finished, loaded, step, None)
    Path("runs/small/report.html").touch()
    text = summary(run, finished, loaded, step, Path("runs/small/checkpoints/step-000900"))
    said = " ".join(click.unstyle(text).split())
    for part in (
        "ended early after step 900 of 2000, in 3:12: kid has not improved for 5 measurements (best 83.1 at step 400)",
        "best: runs/small/checkpoints/step-000400 (kid 83.1)",
        "report: runs/small/report.html",
        "warnings step 3: colours are inverted",
        "next: toonforge translate runs/small photo.jpg",
    ):
        assert part in said


def test_a_failed_run_leaves_the_last_word_to_its_error(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = load(recipe)
    run, _, finished = example(loaded)
    Progress(loaded, io.StringIO()).run_finished(run, attrs.evolve(finished, reason="failed"))
    assert capsys.readouterr().out == ""


def test_a_second_ctrl_c_says_how_to_go_on(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from toonforge.cli import progress

    class Impatient(Progress):
        @progress.hookimpl
        def step_finished(self, run: events.RunInfo, step: events.Step) -> None:
            if step.step == 3:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

    before, progress.Progress = progress.Progress, Impatient  # type: ignore[misc]
    try:
        assert main(["run", "small.toml", "--cpu", "--set", "train.checkpoint.every=2"]) == 130
    finally:
        progress.Progress = before  # type: ignore[misc]
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "left at once: goes on from step 2 with: toonforge run runs/small --resume"
    assert sum("left at once" in line or "stopped" in line for line in said) == 1


@pytest.mark.parametrize(("stops", "code"), [(False, 0), (True, 130)])
def test_a_signal_after_the_summary_stops_nothing(
    recipe: Path,
    stops: bool,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither the first one after a run has finished, nor the second one of a run that was stopped."""
    from toonforge.cli import progress

    class Late(Progress):
        @progress.hookimpl
        def step_finished(self, run: events.RunInfo, step: events.Step) -> None:
            if stops and step.step == 2:
                signal.raise_signal(signal.SIGINT)

        @progress.hookimpl
        def run_finished(self, run: events.RunInfo, finished: events.Finished) -> None:
            Progress.run_finished(self, run, finished)
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(progress, "Progress", Late)
    assert main(["run", "small.toml", "--cpu"]) == code
    out, err = capsys.readouterr()
    assert out.count("next:") == 1 and err.count("stopping after this step") == int(stops)
    assert ("a checkpoint is saved" in out) == stops


@pytest.mark.parametrize(("local", "said"), [("2", ""), ("1", ", on every machine")])
def test_torchrun_goes_on_with_its_own_command(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, local: str, said: str
) -> None:
    loaded = load(recipe)
    run, step, finished = example(loaded)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    text = click.unstyle(summary(run, attrs.evolve(finished, reason="interrupted"), loaded, step, None))
    assert text.endswith(f"next: the same command and --resume{said}")


def test_a_run_of_a_sweep_leaves_what_to_type_to_the_sweep(recipe: Path) -> None:
    loaded = load(recipe)
    run, step, finished = example(loaded)
    stopped = attrs.evolve(finished, reason="interrupted")
    assert "next:" not in summary(run, stopped, loaded, step, None, in_sweep=True)
    assert "next:" in summary(run, stopped, loaded, step, None)


def test_a_run_that_is_stopped_before_its_first_step_says_that_nothing_is_lost(recipe: Path) -> None:
    loaded = load(recipe)
    run, _, finished = example(loaded)
    text = click.unstyle(summary(run, attrs.evolve(finished, reason="interrupted", step=0), loaded, None, None))
    assert "stopped before the first step of" in text and "nothing is lost" in text


def test_durations_read_as_on_a_clock() -> None:
    assert [duration(s) for s in (0, 59.6, 192, 3792)] == ["0:00", "1:00", "3:12", "1:03:12"]


def test_processes_find_each_other_and_the_first_failure_decides(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert launch(2, ["--version"]) == 0
    assert capfd.readouterr().out.count("toonforge") == 1
    with pytest.raises(RunError, match="no recipe 'no-such-recipe"):
        launch(2, ["check", "no-such-recipe.toml"])


def test_each_process_is_told_its_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.cli.processes import environment
    from toonforge.cli.worker import is_worker

    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not is_worker()
    assert [environment(rank, 2, free_port())["RANK"] for rank in range(2)] == ["0", "1"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert is_worker()


def test_one_interrupt_stops_all_processes() -> None:
    code = (
        "import sys; from toonforge.cli import processes; import subprocess\n"
        "processes.subprocess.Popen = lambda command, **more: subprocess.Popen("
        "[sys.executable, '-c', 'import time, signal, sys; signal.signal(signal.SIGINT, lambda *a: sys.exit(130));"
        "print(1, flush=True); time.sleep(60)'], **more)\n"
    )
    code = code.replace("import subprocess\n", "import subprocess; original = subprocess.Popen\n").replace(
        "more: subprocess.Popen(", "more: original("
    )
    code += "sys.exit(processes.launch(2, []))"
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert started.stdout is not None
    started.stdout.readline()
    threading.Event().wait(0.5)  # the second process says nothing here; give it time to be ready
    started.send_signal(signal.SIGINT)
    assert started.wait(20) == 130
