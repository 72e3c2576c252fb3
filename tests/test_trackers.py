"""Trackers get what metrics.jsonl has, once each; one that fails ends nothing; what is missing is known beforehand."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import tracking
from accelerate.tracking import GeneralTracker
from accelerate.utils import LoggerType
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.ranks import together
from tests.test_processes import ROOT
from tests.test_resume import interrupt_at
from toonforge import recipe as recipes
from toonforge.errors import ToonforgeError
from toonforge.events import Warned
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe import trackers as names
from toonforge.recipe.model import Recipe
from toonforge.recipe.trackers import KNOWN, trackers_missing
from toonforge.train.trackers import Trackers
from toonforge.train.trainer import train

TEXT = """
name = "tracked"
data = { type = "tiny/pictures" }
generators.G = { type = "tiny/generator" }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "photo" } }
translations.anime = "G(photo)"
metrics.brightness = { type = "tiny/mean", input = "G(photo)" }
[train]
steps = 7
trackers = [%s]
log.every = 1
checkpoint.every = 3
samples.every = 2
metrics.every = 2
"""


def recipe(*trackers: str) -> Recipe:
    return recipes.loads(TEXT % ", ".join(f'"{name}"' for name in trackers))


def board(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "trackers/tensorboard"), {"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def shown(folder: Path) -> dict[tuple[str, int], float]:
    """(key, step) -> value in TensorBoard; a value that is there twice fails."""
    events, found = board(folder), {}
    for key in events.Tags()["scalars"]:
        for scalar in events.Scalars(key):
            assert (key, scalar.step) not in found, (key, scalar.step)
            found[key, scalar.step] = scalar.value
    return found


def logged(folder: Path) -> dict[tuple[str, int], float]:
    """The same from metrics.jsonl."""
    found: dict[tuple[str, int], float] = {}
    for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines():
        event = json.loads(line)
        values: dict[str, Any] = {}
        if event["event"] == "step":
            for table, prefix in (("losses", "loss"), ("totals", "total"), ("lr", "lr")):
                values |= {f"{prefix}/{name}": value for name, value in event[table].items()}
            values |= {
                "images_per_second": event["images_per_second"],
                "memory": event["memory"],
                "data": event["data"],
            }
        elif event["event"] == "metrics":
            values = {f"metric/{name}": value for name, value in event["metrics"].items()}
        found |= {(key, event["step"]): float(np.float32(value)) for key, value in values.items()}
    return found


def same(one: dict[tuple[str, int], float], other: dict[tuple[str, int], float]) -> None:
    assert one.keys() == other.keys()
    for (key, step), value in one.items():
        # metrics.jsonl rounds the speed to two digits, and shares to four; TensorBoard keeps single precision.
        rounded = {"images_per_second": 0.0051, "data": 0.000051}.get(key, 0)
        assert other[key, step] == pytest.approx(value, rel=1e-6, abs=rounded)


def test_tensorboard_has_every_number_of_metrics_jsonl(tiny: None, tmp_path: Path) -> None:
    train(recipe("tensorboard"), folder=tmp_path / "run", cpu=True)
    found = shown(tmp_path / "run")
    assert {key for key, _ in found} >= {"loss/p.content", "total/p", "lr/p", "memory", "metric/brightness"}
    assert {step for key, step in found if key == "loss/p.content"} == set(range(1, 8))
    same(found, logged(tmp_path / "run"))


def test_tensorboard_has_the_grids_as_they_are(tiny: None, tmp_path: Path) -> None:
    train(recipe("tensorboard"), folder=tmp_path / "run", cpu=True)
    events = board(tmp_path / "run")
    pictures = {image.step: image.encoded_image_string for image in events.Images("samples")}
    assert sorted(pictures) == [2, 4, 6, 7]
    for step, encoded in pictures.items():
        with Image.open(tmp_path / f"run/samples/step-{step:06d}.jpg") as grid:
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded))), np.asarray(grid.convert("RGB")))
    assert [image.step for image in events.Images("picture/brightness")] == [2, 4, 6, 7]


def test_tensorboard_has_the_recipe_and_warnings(tiny: None, tmp_path: Path) -> None:
    trackers = driven(recipe("tensorboard"), tmp_path)
    trackers.warned(warning=Warned(step=2, kind="unchanged", about="anime", message="nothing", hint="wait"))
    trackers.close()
    events = board(tmp_path)
    (tag,) = [tag for tag in events.Tags()["tensors"] if tag.startswith("warning/unchanged")]
    assert events.Tensors(tag)[0].tensor_proto.string_val == [b"anime: nothing (wait)"]
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData.FromString(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    values = data.session_start_info.hparams
    assert values["train.steps"].number_value == 7
    assert values["phases.p.updates"].string_value == '["G"]'
    assert values["generators.G.norm"].number_value == 1  # torch writes a bool so
    assert [path for path in (tmp_path / "trackers/tensorboard").iterdir() if path.is_dir()] == []


class Crash(Exception):
    pass


class CrashAt:
    """A listener that ends the run after a step, as a fault of the machine would."""

    def __init__(self, step: int) -> None:
        self.step = step

    @hookimpl
    def step_finished(self, step: Any) -> None:
        if step.step == self.step:
            raise Crash


def test_a_resumed_run_goes_on_in_the_same_place_and_no_step_is_there_twice(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Crash):
        train(recipe("tensorboard"), folder=tmp_path / "run", listeners=[CrashAt(5)], cpu=True)
    assert max(step for _, step in shown(tmp_path / "run")) == 5
    interrupt_at(monkeypatch, 6)
    train(recipe("tensorboard"), folder=tmp_path / "run", resume=True, cpu=True)
    monkeypatch.undo()
    train(recipe("tensorboard"), folder=tmp_path / "run", resume=True, cpu=True)
    same(shown(tmp_path / "run"), logged(tmp_path / "run"))
    train(recipe("tensorboard"), folder=tmp_path / "whole", cpu=True)
    wanted, found = ({k: v for k, v in shown(tmp_path / run).items() if "/" in k[0]} for run in ("whole", "run"))
    assert found == wanted


def test_a_run_that_fails_closes_its_trackers(tiny: None, tmp_path: Path, own: type[Own]) -> None:
    with pytest.raises(Crash):
        train(recipe("own"), folder=tmp_path / "run", listeners=[CrashAt(2)], cpu=True)
    assert own.calls[-1] == ("finish",)


def test_two_processes_write_one_record(tiny: None, tmp_path: Path) -> None:
    one = recipes.loads((TEXT % '"tensorboard"').replace("steps = 7", "steps = 4\nbatch_size = 2"))
    assert together(2, lambda rank: train(one, folder=tmp_path / "run", cpu=True).step) == [4, 4]
    assert len(list((tmp_path / "run/trackers/tensorboard").iterdir())) == 1
    same(shown(tmp_path / "run"), logged(tmp_path / "run"))


# -- trackers of one's own, and failing ones ------------------------------------------------------------------------


class Own(GeneralTracker):
    """Keeps what it is given; raises where `fails` says so."""

    name = "own"
    requires_logging_directory = False
    calls: list[tuple[Any, ...]] = []
    fails: tuple[str, ...] = ()

    def __init__(self, run_name: str, **keywords: Any) -> None:
        super().__init__()
        self._did("init", run_name, keywords)

    @property
    def tracker(self) -> None:
        return None

    def _did(self, what: str, *more: Any) -> None:
        if what in self.fails:
            raise ConnectionError(f"no way to {what}\nand much more")
        self.calls.append((what, *more))

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._did("configure", values)

    def log(self, values: dict[str, Any], step: int | None = None, **keywords: Any) -> None:
        self._did("log", values, step)

    def log_images(self, values: dict[str, Any], step: int | None = None, **keywords: Any) -> None:
        self._did("picture", values, step)

    def finish(self) -> None:
        self._did("finish")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Own]]:
    """`own` is known to Accelerate, as `register_tracker_class` makes it."""
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "own", Own)
    Own.calls, Own.fails = [], ()
    yield Own
    Own.calls, Own.fails = [], ()


def test_a_tracker_of_ones_own_is_known_by_its_name(tiny: None, tmp_path: Path, own: type[Own]) -> None:
    train(recipe("own", "tensorboard"), folder=tmp_path / "run", cpu=True)
    assert own.calls[0] == ("init", "toonforge", {})
    (configuration,) = [call[1] for call in own.calls if call[0] == "configure"]
    assert configuration["train.batch_size"] == 1 and configuration["train.trackers"] == '["own", "tensorboard"]'
    numbers: dict[tuple[str, int], float] = {}
    for _, values, step in (call for call in own.calls if call[0] == "log"):
        numbers |= {(key, step): float(np.float32(value)) for key, value in values.items()}
    same(numbers, shown(tmp_path / "run"))
    pictures = [(step, *values) for what, values, step in (c for c in own.calls if c[0] == "picture")]
    assert (2, "samples") in pictures and (7, "picture/brightness") in pictures
    assert own.calls[-1] == ("finish",) and own.calls.count(("finish",)) == 1


@pytest.mark.parametrize(
    ("fails", "kept", "said"),
    [
        ("init", set(), "the tracker own cannot be started and is left out: ConnectionError: no way to init"),
        ("log", {"init", "configure", "finish"}, "the tracker own failed with values"),
        ("picture", {"init", "configure", "log", "finish"}, "the tracker own failed with pictures"),
        ("configure", {"init", "log", "picture", "finish"}, "the tracker own failed with recipe"),
        ("finish", {"init", "configure", "log", "picture"}, "the tracker own failed with its end"),
    ],
)
def test_a_tracker_that_fails_is_said_once_and_the_others_go_on(
    tiny: None,
    tmp_path: Path,
    own: type[Own],
    capsys: pytest.CaptureFixture[str],
    fails: str,
    kept: set[str],
    said: str,
) -> None:
    own.fails = (fails,)
    finished = train(recipe("own", "tensorboard"), folder=tmp_path / "run", cpu=True)
    assert (finished.reason, finished.step) == ("done", 7)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "tracker" in line]
    assert line.startswith(f"note: {said}") and "much more" not in line
    assert {call[0] for call in own.calls} == kept
    same(shown(tmp_path / "run"), logged(tmp_path / "run"))


def driven(recipe: Recipe, folder: Path, first_step: int = 0) -> Trackers:
    """Trackers started as a run would start them."""
    from toonforge.events import RunInfo
    from toonforge.train.step import make_accelerator

    trackers = Trackers(make_accelerator("fp32", cpu=True), recipe, folder)
    run = RunInfo(
        name=recipe.name,
        folder=folder,
        first_step=first_step,
        total_steps=7,
        steps_per_epoch=1,
        phases=("p",),
        parameters={},
        device="cpu",
        processes=1,
    )
    trackers.run_started(run=run)
    return trackers


@pytest.mark.parametrize("name", [n for n in ("wandb", "trackio") if KNOWN[n].since <= names._accelerate()])
def test_a_resumed_run_is_the_same_run_to_the_tracker(
    tiny: None, tmp_path: Path, own: type[Own], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "find_spec", lambda module: type("Spec", (), {"origin": "x"}))
    monkeypatch.setattr(tracking, "_available_trackers", [LoggerType(name)])
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, name, Own)
    for folder, first_step in (("one", 0), ("one", 3), ("other", 0)):
        driven(recipe(name), tmp_path / folder, first_step).close()
    first, again, other = (call[2] for call in own.calls if call[0] == "init")
    assert first == again != other
    assert first["resume"] == "allow"


@pytest.mark.parametrize("step", [4, 5])
def test_a_tracker_that_cannot_drop_steps_is_told_of_each_once(
    tiny: None, tmp_path: Path, own: type[Own], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(names, "find_spec", lambda module: type("Spec", (), {"origin": "x"}))
    monkeypatch.setattr(tracking, "_available_trackers", [LoggerType("wandb")])
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "wandb", Own)
    with pytest.raises(Crash):
        train(recipe("wandb"), folder=tmp_path / "run", listeners=[CrashAt(step)], cpu=True)
    train(recipe("wandb"), folder=tmp_path / "run", resume=True, cpu=True)
    found: list[tuple[str, int]] = []
    for _, values, at in (call for call in own.calls if call[0] in ("log", "picture")):
        found += [(key, at) for key in values]
    assert len(found) == len(set(found))
    pictures = {
        (key, at) for key, ats in (("samples", (2, 4, 6, 7)), ("picture/brightness", (2, 4, 6, 7))) for at in ats
    }
    assert set(found) == set(logged(tmp_path / "run")) | pictures


# -- what is missing, known without torch ---------------------------------------------------------------------------


def test_the_table_of_trackers_is_accelerates_own() -> None:
    known = {name: cls.__name__ for name, cls in tracking.LOGGER_TYPE_TO_CLASS.items() if cls is not Own}
    assert set(known) == {name for name, about in KNOWN.items() if about.since <= names._accelerate()}


def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda module: None)


def test_unknown_names_get_a_suggestion_and_the_list() -> None:
    one, two = trackers_missing(["tensorbord", "nothing-like-it"])
    assert (one.key, two.key) == ("train.trackers[0]", "train.trackers[1]")
    assert one.hint == "did you mean 'tensorboard'?" and two.hint is None
    assert one.expected is not None and set(KNOWN) <= set(one.expected.removeprefix("one of ").split(", "))


def test_a_tracker_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_installed(monkeypatch)
    found = trackers_missing(["tensorboard", "comet_ml"])
    assert [problem.hint for problem in found] == ['pip install "toonforge[tensorboard]"', "pip install comet-ml"]


def test_a_folder_of_a_trackers_name_is_not_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aim").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert len(trackers_missing(["aim"])) == 1
    (tmp_path / "aim/__init__.py").write_text("")
    assert trackers_missing(["aim"]) == []


def test_an_accelerate_that_is_too_old_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_installed", lambda module: True)
    monkeypatch.setattr(names.importlib.metadata, "version", lambda name: "1.8.1")
    (problem,) = trackers_missing(["swanlab", "trackio"])
    assert (problem.key, problem.found, problem.expected) == ("train.trackers[1]", "1.8", "1.9 or newer")


def test_what_is_missing_is_said_at_its_line_before_anything_begins(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(TEXT % '"tensorboard",\n  "wandbb", "tensorboard"')
    with pytest.raises(ToonforgeError) as caught:
        recipes.verify(recipes.load(file), file)
    line = file.read_text().splitlines().index('  "wandbb", "tensorboard"]') + 1
    assert [(p.key, p.where and p.where.line) for p in caught.value.problems] == [
        ("train.trackers[1]", line),
        ("train.trackers[2]", line),
    ]
    with pytest.raises(ToonforgeError, match="wandbb"):
        train(recipes.load(file), folder=tmp_path / "run", cpu=True)
    assert not (tmp_path / "run").exists()


def test_asking_what_is_missing_imports_neither_torch_nor_accelerate() -> None:
    code = (
        "import sys\nfrom toonforge.recipe.trackers import trackers_missing\n"
        "assert len(trackers_missing(['tensorboard', 'nonsense'])) >= 1\n"
        "assert not {'torch', 'accelerate', 'tensorboard'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
