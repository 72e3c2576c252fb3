"""`toonforge bench`: what processes do and say, who takes which turn, and what is shown and refused."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from rich.progress import ProgressSample, TimeRemainingColumn

from tests.bench_here import RECIPE, here, small_device
from toonforge.bench import pool
from toonforge.bench.alternating import measure
from toonforge.bench.asked import Asked
from toonforge.bench.lines import Start, problems, told
from toonforge.bench.pictures import as_later
from toonforge.bench.process import Fault, Process
from toonforge.bench.subject import Subject
from toonforge.cli import main
from toonforge.cli.bench_progress import _live
from toonforge.cli.bench_table import bar, seconds_text
from toonforge.errors import Location, Problem, RunError, UnreadableImage
from toonforge.recipe import trackers


@pytest.fixture
def recipe(tmp_path: Path, tiny: None, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(RECIPE, "utf-8")
    return "small.toml"


class Quiet:
    """Listens, and remembers how many turns were announced and came."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def planned(self, turns: int) -> None:
        self.total = turns

    def said(self, what: str) -> None:
        pass

    def turned(self) -> None:
        self.done += 1


# -- one process ------------------------------------------------------------------------------------------------------


def test_turns_train_and_their_waits_are_a_part_of_their_time(recipe: str) -> None:
    with Subject(Start(source=recipe, cpu=True)) as subject:
        before = {name: value.clone() for name, value in subject.training.networks["G"].state_dict().items()}
        turn = subject.turn(2)
        assert turn["steps"] == 2 and 0 < turn["data"] < turn["seconds"]
        assert turn["memory"] > 0
        after = subject.training.networks["G"].state_dict()
        assert any((after[name] != value).any() for name, value in before.items())
        assert set(subject.losses()) == {"generators.fool", "generators.content"}


def test_measured_steps_are_those_of_a_training(recipe: str) -> None:
    """The networks are where the same steps of a training would have led.

    Not once their operations are counted: torch's counter looks at every module, whose dead biases are then computed.
    """
    with Subject(Start(source=recipe, cpu=True)) as one, Subject(Start(source=recipe, cpu=True)) as other:
        one.turn(2)
        one.parts(2)
        one.turn(2)
        for number in range(2 + 2 + 2):
            other.training.step(number, other._next().parts)
        for name, network in one.training.networks.items():
            state = other.training.networks[name].state_dict()
            assert all((value == state[key]).all() for key, value in network.state_dict().items()), name


def test_every_part_of_a_step_is_found(recipe: str) -> None:
    with Subject(Start(source=recipe, cpu=True)) as subject:
        subject.turn(2)
        told = subject.parts(4)
        parts = told["parts"]
        assert set(parts) == {"generators", "discriminators", "other networks", "losses", "optimizers", "rest"}
        for kind in ("generators", "discriminators", "other networks", "losses"):
            assert set(parts[kind]) == {"forward", "backward"} and min(parts[kind].values()) > 0, kind
        whole = sum(sum(row.values()) for row in parts.values())
        assert 0.5 * told["seconds"] < whole <= told["seconds"]
        assert told["networks"]["G"] == parts["generators"] and told["networks"]["D"] == parts["discriminators"]
        assert subject.training.networks["G"]._compiled_call_impl is None


def test_recorded_steps_are_computed_to_see_into_them(recipe: str) -> None:
    class Recorded:
        def run(self, *_: Any) -> None:
            raise AssertionError("a replay shows nothing of what is in it")

    with Subject(Start(source=recipe, cpu=True)) as subject:
        subject.training.captured = cast(Any, Recorded())
        with pytest.raises(AssertionError):
            subject.turn(2)
        assert subject.parts(2)["parts"]["generators"]["forward"] > 0


def test_operations_are_counted_as_by_hand(recipe: str) -> None:
    """G: 3 to 4 to 3 channels of 16x16 pixels by 3x3 kernels; D 4x4 with stride 2; V's weights take no gradient."""
    with Subject(Start(source=recipe, overrides=('train.speed="safe"',), cpu=True)) as subject:
        at = 2 * 2 * 16 * 16 * 9  # two pictures, and a product and its sum are two
        first, second = at * 3 * 4, at * 4 * 3
        generator = (first + second) + (first + 2 * second)  # G's input wants no gradient
        outer, inner = 2 * 2 * 8 * 8 * 16 * 3 * 4, 2 * 2 * 4 * 4 * 16 * 4
        judged = (outer + inner) + (outer + inner)  # within G's phase: forward, and the gradient of its input
        judging = 2 * ((outer + inner) + (outer + 2 * inner))
        features = 2 * (at * 3 * 6 + at * 6 * 6) + (at * 3 * 6 + at * 6 * 6)
        assert subject.flops() == round(generator + judged + features + judging / 2)


def test_the_device_multiplies(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_device(monkeypatch)
    with Subject(Start(source=recipe, cpu=True)) as subject:
        assert set(subject.rates()) == {"matrix product", "convolution"}
        assert min(subject.rates().values()) > 1e6


def test_problems_come_through_as_they_are() -> None:
    error = RunError(Problem(message="no", where=Location("a.toml", 3), found="x"), Problem(message="neither"))
    assert problems(json.loads(json.dumps(told(error)))) == list(error.problems)


def test_pictures_that_memory_holds_are_measured_as_they_come_from_there() -> None:
    class Pictures:
        sizes = {"photo": 40, "anime": 3}

        def item(self, group: str, index: int, rng: Any) -> Mapping[str, torch.Tensor]:
            if group == "anime" and self.sizes["anime"] == 4:
                raise UnreadableImage("a.jpg", "cut off")
            return {group: torch.zeros(3, 100, 100, dtype=torch.uint8)}

        def name(self, group: str, index: int) -> str:
            return f"{group}-{index}"

    class Kept:
        cache = "memory"

    pictures: Any = Pictures()
    kept: Any = Kept()
    assert as_later(pictures, kept, 4).sizes == {"photo": 8, "anime": 3}
    kept.cache = "disk"
    assert as_later(pictures, kept, 4) is pictures
    kept.cache = "memory"
    pictures.sizes = {"photo": 9000, "anime": 3}  # 270 MB
    assert as_later(pictures, kept, 4) is pictures
    pictures.sizes = {"photo": 40, "anime": 4}
    assert as_later(pictures, kept, 4) is pictures


# -- processes --------------------------------------------------------------------------------------------------------

SPEAKER = """
import json, os, signal, sys, time
start = json.loads(sys.stdin.readline())
words = " ".join(start["overrides"])
log = open("log.txt", "a")
def say(what):
    print(json.dumps(what), flush=True)
if "refused" in words:
    say({"problems": [{"message": "cannot be", "where": None, "key": "a", "found": "b", "expected": None, "hint": None}]})
    sys.exit(2)
speed = "safe" if "safe" in words else "listed" if "train.speed" in words else "auto"
tricks = [] if speed == "safe" else json.loads(words.split("=")[1]) if speed == "listed" else ["quick-norms", "compile"]
size = 4 if "batch" in words else 2
say({"wanted": speed, "chosen": tricks, "auto": ["quick-norms", "compile"], "impossible": {"tf32": "for CUDA devices"},
     "device": "cpu", "cycle": 1, "batch_size": size, "precision": "fp32"})
turns = 0
for line in sys.stdin:
    do = json.loads(line)["do"]
    log.write(f"{do} {words or 'own'} {os.getpid()}\\n")
    log.flush()
    if do == "turn" and "killed" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "turn" and "fault" in words:
        say({"fault": "Traceback\\nKeyError: 7"})
        sys.exit(1)
    turns += do == "turn"
    if do in ("turn", "warm"):  # the machine becomes slower and slower
        say({"steps": 2, "seconds": 0.2 * max(turns, 1) * (2 if speed == "safe" else 1), "data": 0.01, "memory": 1000, "room": ROOM})
    elif do == "parts":
        say({"parts": {"generators": {"forward": 1.0, "backward": 2.0}, "rest": {"": 1.0}}, "networks": {}, "seconds": 5.0})
    elif do == "flops":
        say({"flops": 10**9})
    elif do == "rate":
        say({"rates": {"matrix product": 1e11, "convolution": 5e10}})
"""


def speak(folder: Path, room: int = 10**9) -> list[str]:
    """The command of processes that only say that they train."""
    (folder / "speaker.py").write_text(SPEAKER.replace("ROOM", str(room)), "utf-8")
    return [sys.executable, str(folder / "speaker.py")]


def turns(folder: Path) -> list[tuple[str, str]]:
    """Whose turns there were, with their processes."""
    lines = [line.split() for line in (folder / "log.txt").read_text("utf-8").splitlines()]
    return [(" ".join(words[1:-1]), words[-1]) for words in lines if words[0] == "turn"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_variants_take_turns_each_in_a_process_of_its_own(place: Path) -> None:
    quiet = Quiet()
    asked = Asked(source="x", turns=3, steps=2, tricks=("compile",), tries=("train.batch_size=4",))
    measured = measure(asked, quiet, speak(place))
    names = [row.variant.name for row in measured.rows]
    assert names == ["as the recipe is", "safe", "without compile", "train.batch_size=4"]
    found = turns(place)
    assert len({process for _, process in found}) == 4
    assert [who for who, _ in found] == [who for who, _ in found[:4]] * 3
    assert quiet.total == quiet.done == 12
    safe, without, batch = measured.rows[1:]
    assert safe.ratio is not None and safe.ratio.values == pytest.approx((2.0,) * 3)
    assert without.tricks == ("quick-norms",) and batch.pictures == 4
    # Twice the pictures in the same time: what counts is the time a picture.
    assert batch.ratio is not None and batch.ratio.median == pytest.approx(0.5)
    assert measured.flops == 10**9 and measured.peak_share == pytest.approx(1e9 / 0.2 / 1e11)


def test_parts_add_up_to_the_step(place: Path) -> None:
    measured = measure(Asked(source="x", turns=1, steps=2), Quiet(), speak(place))
    assert measured.own.times is not None and measured.parts is not None
    assert sum(sum(row.values()) for row in measured.parts.values()) == pytest.approx(measured.own.times.median)
    assert measured.parts["data"] == {"": 0.005}
    assert measured.parts["generators"] == pytest.approx({"forward": 0.095 / 5, "backward": 0.19 / 5})


@pytest.mark.parametrize(("room", "together"), [(5000, 5), (2500, 3), (0, 64), (1, 1)])
def test_no_more_processes_live_than_memory_holds(
    place: Path, room: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`room` beside the first, of processes of 1000 bytes, of which four fifths are taken; 0: nobody knows."""
    alive: list[Process] = []
    most = 0

    class Counted(Process):
        def __init__(self, *given: Any) -> None:
            nonlocal most
            super().__init__(*given)
            alive.append(self)
            most = max(most, len(alive))

        def end(self) -> None:
            super().end()
            alive.remove(self)

    monkeypatch.setattr(pool, "Process", Counted)
    asked = Asked(source="x", turns=2, steps=2, tricks=None, tries=("a=1",))
    measured = measure(asked, Quiet(), speak(place, room))
    assert not alive and most == min(together, len(measured.rows))
    assert all(row.ratio is None or len(row.ratio.values) == 2 for row in measured.rows)
    found = turns(place)
    processes = len({process for _, process in found})
    assert processes == (len(found) if together == 1 else len(measured.rows))
    assert bool(measured.notes) == (together == 1)
    for number, (who, _) in enumerate(found[:-1]):
        # Between two turns of the recipe as it is there are no more than live beside it.
        if who == "own":
            beside = list(itertools.takewhile(lambda turn: turn[0] != "own", found[number + 1 :]))
            assert 1 <= len(beside) <= max(1, together - 1)


@pytest.mark.parametrize(
    ("change", "said"), [("refused=1", "cannot be (b)"), ("killed=1", "killed"), ("fault=1", "KeyError: 7")]
)
def test_a_variant_that_fails_has_a_row_that_says_so(place: Path, change: str, said: str) -> None:
    measured = measure(Asked(source="x", turns=2, steps=2, tries=(change,)), Quiet(), speak(place))
    failed = measured.rows[-1]
    assert failed.times is None and said in str(failed.problem)
    assert measured.rows[1].times is not None and len(measured.rows[1].times.values) == 2


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [("refused=1", RunError, "cannot be"), ("killed=1", RunError, "signal 9"), ("fault=1", Fault, "KeyError: 7")],
)
def test_the_recipe_itself_must_not_fail(place: Path, change: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        measure(Asked(source="x", overrides=(change,), turns=2, steps=2), Quiet(), speak(place))


def test_processes_are_ended_whatever_happens(place: Path) -> None:
    process = Process(Start(source="x"), speak(place))
    assert process.ready["cycle"] == 1
    number = process._process.pid
    process.end()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_process_that_cannot_begin_says_why(place: Path) -> None:
    process = Process(Start(source="x"), [sys.executable, "-c", "import sys; sys.exit('no such thing')"])
    with pytest.raises(RunError, match="code 1") as caught:
        process.ready  # noqa: B018 -- asked for what it raises
    assert caught.value.problems[0].found == "no such thing"
    process.end()


# -- the command ------------------------------------------------------------------------------------------------------


def shown(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    assert main(["bench", *words]) == 0
    return capsys.readouterr().out


QUICK = ["--cpu", "--turns", "2", "--steps", "2"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit_the_terminal(
    recipe: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(columns))
    text = shown(capsys, [recipe, *QUICK, "--tricks", "fused-optimizers,tf32"])
    assert all(len(line) <= columns for line in text.splitlines())
    for word in ("small on cpu", "generators", "optimizers", "advice", "without fused-optimizers", "safe", "of the"):
        assert word in text, word
    assert "not measured: tf32 (for CUDA devices)" in text.replace("\n  ", " ")
    assert ("from – to" in text) == (columns >= 80) and ("images/s  " in text) == (columns == 120)
    assert ("█" in text) == (columns >= 80)
    assert "\x1b" not in text


def test_nothing_is_written_but_what_is_asked_for(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = here(monkeypatch)
    text = shown(capsys, [recipe, *QUICK, "--json", "numbers.json", "--try", "train.batch_size=4"])
    assert sorted(path.name for path in Path().iterdir()) == ["numbers.json", recipe]
    found = json.loads(Path("numbers.json").read_text("utf-8"))
    assert [row["name"] for row in found["variants"]] == ["as the recipe is", "safe", "train.batch_size=4"]
    assert [len(row["seconds"]) for row in found["variants"]] == [2, 2, 2]
    assert found["variants"][2]["batch_size"] == 4 and found["flops"] > 0 and "numbers: numbers.json" in text
    assert found["torch"] == torch.__version__ and any("by a sign test" in note for note in found["notes"])
    assert [words for do, words in said if do == "turn"][:3] == ["", 'train.speed="safe"', "train.batch_size=4"]


def test_trackers_are_not_asked_for_since_none_is_started(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    monkeypatch.setattr(trackers, "_installed", lambda module: False)
    named = 'train.trackers=["tensorboard"]'
    shown(capsys, [recipe, "--cpu", "--turns", "1", "--steps", "1", "--set", named, "--try", named])
    assert main(["check", recipe, "--set", named]) == 2


def test_phases_that_are_rarer_are_in_every_turn(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    shown(capsys, [recipe, "--cpu", "--turns", "1", "--json", "numbers.json"])
    assert json.loads(Path("numbers.json").read_text("utf-8"))["steps"] % 2 == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tricks", "compil"], "compile"),
        (["--tricks", ""], "names no trick"),
        (["--all", "--tricks", "compile"], "--all"),
        (["--set", "train.stepz=1"], "train.steps"),
        (["--try", "train.stepz=1"], "--try: "),
        (["--try", "train.precision=bf16"], "--try 'train.precision="),
        (["--set", "train.processes=2"], "train.batch_size=1"),
        (["--try", "train.processes=2"], "a single process is measured"),
        (["--at", "40"], "no such step"),
        (["--json", "small.toml/numbers.json"], "numbers.json"),
        (["--turns", "0"], "--turns"),
    ],
    ids=["trick", "no-trick", "both", "set", "try", "try-text", "processes", "try-processes", "at", "json", "turns"],
)
def test_what_cannot_be_measured_is_refused_in_words(
    recipe: str, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    assert main(["bench", recipe, "--cpu", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and "Traceback" not in captured.err and captured.out == ""


def test_torchrun_is_told_to_be_left_out(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["bench", recipe]) == 2
    assert "torchrun" in capsys.readouterr().err


def test_ctrl_c_says_how_many_turns_there_were(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    turn, turns = Subject.turn, itertools.count()

    def until(self: Subject, steps: int) -> dict[str, Any]:
        if steps == 7 and next(turns) == 3:
            raise KeyboardInterrupt
        return turn(self, steps)

    monkeypatch.setattr(Subject, "turn", until)
    assert main(["bench", recipe, "--cpu", "--turns", "4", "--steps", "7", "--json", "numbers.json"]) == 130
    captured = capsys.readouterr()
    assert "stopped after 3 of 8 turns" in captured.err and captured.out == ""
    assert not Path("numbers.json").exists()


def test_one_turn_has_no_spread(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    text = shown(capsys, [recipe, "--cpu", "--turns", "1", "--steps", "1"])
    assert "1 turn of 1 step each" in text and "±" not in text


def test_an_estimate_is_shown_when_there_is_one() -> None:
    live = _live()
    column = next(column for column in live.columns if isinstance(column, TimeRemainingColumn))
    live.add_task("", total=None)
    (task,) = live.tasks
    assert str(column.render(task)) == ""
    live.console.quiet = True
    live.update(task.id, total=2)
    live.advance(task.id)
    monotonic = live.get_time()
    task.start_time = monotonic - 10
    task._progress.append(ProgressSample(monotonic - 5, 0.5))
    task._progress.append(ProgressSample(monotonic, 0.5))
    assert str(column.render(task)).endswith(" left")


def test_sharding_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text('extends = "cyclegan/cyclegan"\n', "utf-8")
    code = (
        "import sys; from toonforge.cli import main\n"
        "assert main(['bench', 'quick.toml']) == 2\n"
        "sys.exit(90 if {'torch', 'accelerate'} & set(sys.modules) else 0)"
    )
    environment = {**os.environ, "ACCELERATE_USE_FSDP": "true"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "FSDP cannot train" in done.stderr, done.stderr


def test_times_and_bars_are_told_in_three_digits() -> None:
    times: Mapping[float, str] = {
        12.34: "12.3 s",
        0.9996: "1 s",
        0.1823: "182 ms",
        0.0312: "31.2 ms",
        0.00042: "0.42 ms",
    }
    assert {value: seconds_text(value) for value in times} == times
    assert bar(0) == "" and bar(1.0) == "█" * 24 and bar(0.5) == "█" * 12
    assert all(len(bar(share / 100)) <= 24 for share in range(101))
    assert re.fullmatch("█*[▏▎▍▌▋▊▉]?", bar(0.337))


def test_a_recipe_of_one_size_is_described(recipe: str) -> None:
    with Subject(Start(source=recipe, cpu=True)) as subject:
        about: Mapping[str, Any] = subject.described()
    assert about["kinds"] == {"G": "generators", "D": "discriminators", "V": "other networks"}
    assert about["phases"] == ["discriminators", "generators"] and about["cycle"] == 2
    assert set(about["parameters"]) == {"G", "D", "V"} and about["batch_size"] == 2
    assert "tf32" in about["impossible"] and about["wanted"] == "auto"
