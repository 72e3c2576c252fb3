"""Sweeps: what a grid means, what is checked before the first run, what survives a stop, and the comparison."""

from __future__ import annotations

import json
import math
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny as components
from tests.compared_runs import make
from toonforge import events, hookimpl
from toonforge.errors import RecipeError, RunError, ToonforgeError
from toonforge.report.compared import find_runs
from toonforge.report.comparison import compare
from toonforge.sweeps import sweep
from toonforge.sweeps.folder import SweepFolder
from toonforge.sweeps.grid import from_data, inline, labels, make_axes, read_grid, run_name, short_keys, split
from toonforge.sweeps.plan import make_plan
from toonforge.sweeps.results import Row, read_row, state_of
from toonforge.sweeps.work import Outcome, work

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
[train]
steps = 4
batch_size = 2
log = { every = 1 }
[translations]
anime = "G(photo)"
[metrics]
change = { type = "pixel-l1", input = "G(photo)", target = "photo" }
"""

plain_values = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def recipe(tmp_path: Path, tiny: None, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(RECIPE, "utf-8")
    return "small.toml"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """A sweep over three seeds in one go, to compare with and to copy."""
    return elsewhere(tmp_path_factory.mktemp("whole"), [0, 1, 2])


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep over two seeds that was stopped after the first step, to copy."""
    place = tmp_path_factory.mktemp("stopped")
    elsewhere(place, [0, 1], Stop(at=1))
    return place / "out"


def elsewhere(place: Path, seeds: list[int], *listeners: object) -> list[Row]:
    components.register()
    (place / "small.toml").write_text(RECIPE, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return sweep("small.toml", {"train.seed": seeds}, place / "out", cpu=True, listeners=listeners)


def weights(folder: Path) -> bytes:
    return sorted(folder.glob("checkpoints/step-*/G.safetensors"))[-1].read_bytes()


class Stop:
    """Asks to stop, as Ctrl-C does, at a step: of any run, or of one."""

    def __init__(self, at: int, of: str = "") -> None:
        self.at, self.of = at, of

    @hookimpl
    def step_finished(self, run: events.RunInfo, step: events.Step) -> None:
        if step.step == self.at and run.folder.name.endswith(self.of):
            signal.raise_signal(signal.SIGINT)


# -- what a grid means --------------------------------------------------------------------------------------------


@given(st.lists(plain_values, min_size=1, max_size=4))
def test_values_written_as_a_grid_are_read_as_they_were(values: list[Any]) -> None:
    text = ",".join(map(inline, values))
    assert [tomli.loads(f"value = {part}")["value"] for part in split(text)] == values


@given(st.lists(plain_values, min_size=1, max_size=5))
def test_no_value_leads_out_of_the_folder(values: list[Any]) -> None:
    names = [run_name([("key", label)]) for label in labels([(inline(value), value) for value in values])]
    assert len({name.lower() for name in names}) == len(values)
    for name in names:
        assert Path(name).name == name and name not in (".", "..") and len(name.encode()) < 200
        assert all(c.isascii() and (c.isalnum() or c in "._+-=,") for c in name)


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=3).map(tuple))
def test_no_key_leads_out_of_the_folder(path: tuple[str, ...]) -> None:
    (name,) = short_keys([".".join(map(inline, path))]).values()
    assert name and "/" not in name and not name.startswith(".")


def test_a_key_is_called_by_its_shortest_ending_that_is_its_own() -> None:
    keys = ["train.batch_size", "generators.G.width", "discriminators.D.width", "phases.p.losses.cycle.weight"]
    assert list(short_keys(keys).values()) == ["batch_size", "G.width", "D.width", "cycle.weight"]


def test_no_two_axes_are_called_alike() -> None:
    assert len(set(short_keys(['"a b"', "a-b", "x.recipe"]).values()) | {"recipe"}) == 4


def test_values_are_toml_and_a_bare_word_is_text() -> None:
    axes = read_grid(['a.b=1, 1e-4,true,"x, y",unet,cyclegan/unet', 'data.kinds=["anime"],["anime", "scene"],[]'])
    assert [value.plain for value in axes[0].values] == [1, 1e-4, True, "x, y", "unet", "cyclegan/unet"]
    assert [value.label for value in axes[0].values] == ["1", "1e-4", "true", "x-y", "unet", "cyclegan-unet"]
    assert [value.label for value in axes[1].values] == ["anime", "anime+scene", "none"]


def test_text_that_python_gives_and_text_of_the_command_line_are_one_grid() -> None:
    texts = from_data({"train.batch_size": [1, 8], "generators.G": [{"type": "a/b", "width": 4}]})
    axes = read_grid(texts)
    assert axes == make_axes({axis.key: [(v.text, v.plain) for v in axis.values] for axis in axes})
    assert [value.plain for value in axes[1].values] == [{"type": "a/b", "width": 4}]
    assert axes[1].values[0].label == "a-b+width-4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.batch_size", "not a grid"),
        ("=1", "not a grid"),
        ("", "not a grid"),
        ("a=", "a value is missing"),
        ("a=1,,2", "a value is missing"),
        ("a=1,2,", "a value is missing"),
        ("a=1,1", "a value is given twice"),
        ("a=[1", "not valid TOML"),
        ("a=8x", "not valid TOML"),
        ("a=1\nb = 2", "more than one value"),
        ("a=" + "[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_grid_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_grid([text])


def test_the_last_axis_varies_fastest_and_the_recipe_slowest(recipe: str) -> None:
    Path("other.toml").write_text(RECIPE.replace('"small"', '"other"'), "utf-8")
    plan = make_plan(["small.toml", "other.toml"], ["train.batch_size=1,2", "train.seed=0,1"], ["train.steps=3"])
    assert [run.name for run in plan.runs][:3] == [
        "small,batch_size=1,seed=0",
        "small,batch_size=1,seed=1",
        "small,batch_size=2,seed=0",
    ]
    assert len(plan.runs) == 8 and plan.name == "small+other"
    assert {run.recipe.train.steps for run in plan.runs} == {3}
    assert plan.runs[-1].recipe.train.seed == 1 and plan.runs[-1].recipe.name == "other"


def test_a_recipe_called_like_a_file_of_the_sweep_gets_another_folder(recipe: str) -> None:
    Path("table.toml").write_text(RECIPE.replace('"small"', '"table.md"'), "utf-8")
    assert [run.name for run in make_plan(["small.toml", "table.toml"], []).runs] == ["small", "table-md"]


def test_recipes_whose_names_differ_in_dots_alone_get_two_folders(recipe: str) -> None:
    for name in ("a.b", "a-b"):
        Path(f"{name}.toml").write_text(RECIPE.replace('"small"', f'"{name}"'), "utf-8")
    assert [run.name for run in make_plan(["a.b.toml", "a-b.toml"], []).runs] == ["a-b", "a-b-2"]


# -- what is checked before the first run -----------------------------------------------------------------------------


def test_every_problem_of_every_run_is_told_at_once_and_nothing_is_written(recipe: str) -> None:
    grid: Mapping[str, Any] = {"train.batch_size": [0, 2], "train.stepz": [3], "generators.G.width": [4, -1]}
    with pytest.raises(ToonforgeError) as caught:
        sweep(recipe, grid, cpu=True)
    text = str(caught.value)
    assert "--grid: train.stepz: unknown path" in text and "train.steps" in text
    with pytest.raises(ToonforgeError) as caught:
        make_plan([recipe, "nowhere.toml"], ["train.batch_size=0,2", "train.seed"])
    for part in ("no recipe 'nowhere.toml'", "--grid: train.batch_size: out of range", "--grid: not a grid"):
        assert part in str(caught.value)
    with pytest.raises(ToonforgeError) as caught:
        sweep(recipe, {key: values for key, values in grid.items() if key != "train.stepz"}, cpu=True)
    text = str(caught.value)
    assert "--grid: train.batch_size" in text and "--grid: generators.G.width" in text
    assert len(caught.value.problems) == 2
    assert not Path("sweeps").exists()


def test_what_a_run_would_refuse_is_refused_before_all(recipe: str) -> None:
    with pytest.raises(ToonforgeError, match="cannot be cut evenly"):
        make_plan([recipe], ["train.batch_size=2,3"], processes=2)
    Path("folders.toml").write_text(
        RECIPE.replace('"tiny/pictures"', '"unpaired-folders"\nfields = { photo = "nowhere" }'), "utf-8"
    )
    with pytest.raises(ToonforgeError, match="nowhere does not exist"):
        make_plan(["folders.toml"], ["train.seed=1,2"])


@pytest.mark.parametrize(
    ("recipes", "grid", "message"),
    [
        (["small.toml"], [], "nothing varies"),
        ([], ["train.seed=1"], "no recipe"),
        (["smal.toml"], ["train.seed=1"], "no recipe 'smal.toml'"),
        (["small.toml", "small.toml"], [], "would be the same run"),
        (["small.toml"], ["train.optimizer.lr=1.0,1"], "would be the same run"),
        (["small.toml"], ["train.seed=1", "train.seed=2"], "given twice"),
        (["small.toml"], [f"train.seed={','.join(map(str, range(1001)))}"], "too many runs"),
    ],
)
def test_what_is_no_sweep_is_refused(recipe: str, recipes: list[str], grid: list[str], message: str) -> None:
    with pytest.raises(ToonforgeError, match=message):
        make_plan(recipes, grid)


def test_a_batch_that_repeats_pictures_is_told(recipe: str) -> None:
    plan = make_plan([recipe], ["train.batch_size=1,64"])
    assert [len(run.notes) for run in plan.runs] == [0, 1] and "64" in plan.runs[1].notes[0]


# -- one sweep ------------------------------------------------------------------------------------------------------------


def test_each_run_is_the_run_of_its_overrides(recipe: str) -> None:
    import toonforge

    rows = sweep(recipe, {"train.batch_size": [1, 2]}, cpu=True)
    assert [row.state for row in rows] == ["finished", "finished"]
    assert [row.values for row in rows] == [{"batch_size": "1"}, {"batch_size": "2"}]
    alone = toonforge.run(recipe, "alone", overrides=["train.batch_size=1"], cpu=True)
    assert rows[0].metrics["change"] == pytest.approx(alone.metrics["change"][""], abs=0)
    assert weights(rows[0].folder) == weights(Path("alone"))
    for row in rows:
        assert row.step == 4 and row.images_per_second and row.seconds and row.memory
    assert {path.name for path in Path("sweeps/small").iterdir()} == {
        *("batch_size=1", "batch_size=2", "sweep.json", "comparison.json", ".lock"),
        *("compare.html", "table.md", "table.csv", "grid-anime.jpg", "losses.csv", "losses.png", "losses.svg"),
    }


def test_a_run_that_fails_is_recorded_and_the_rest_go_on(recipe: str, undrawn: None) -> None:
    rows = sweep(recipe, {"phases.generators.losses.same.weight": [1e39, 1.0]}, "out", cpu=True)
    assert [row.state for row in rows] == ["failed", "finished"]
    assert rows[0].problem is not None and "infinite or not a number" in rows[0].problem
    assert rows[0].metrics == {}
    text = Path("out/table.md").read_text("utf-8")
    assert "| 1e+39 | failed | " in text and "infinite or not a number" in text
    assert "**" not in text  # one value alone is not the best of any
    runs = json.loads(Path("out/sweep.json").read_text("utf-8"))["runs"]
    assert [run["state"] for run in runs] == ["failed", "finished"]


def test_a_fault_in_one_run_does_not_cost_the_others(recipe: str, undrawn: None) -> None:
    class Broken:
        calls = 0

        @hookimpl
        def run_started(self, run: events.RunInfo) -> None:
            self.calls += 1
            if self.calls == 1:
                raise ZeroDivisionError("of a plugin")

    rows = sweep(recipe, {"train.seed": [0, 1]}, cpu=True, listeners=[Broken()])
    assert [row.state for row in rows] == ["failed", "finished"]
    assert rows[0].problem == "ZeroDivisionError: of a plugin"


def test_a_stopped_sweep_goes_on_to_the_numbers_of_one_in_one_go(recipe: str, whole: list[Row], undrawn: None) -> None:
    grid = {"train.seed": [0, 1, 2]}
    rows = sweep(recipe, grid, "cut", cpu=True, listeners=[Stop(at=2)])
    assert [(row.state, row.step) for row in rows] == [("started", 2), ("waiting", 0), ("waiting", 0)]
    trained_first = sweep(recipe, grid, "cut", resume=True, cpu=True, listeners=[Stop(at=4)])
    assert (trained_first[0].state, trained_first[0].step) == ("started", 4), "a stop leaves the last grid for later"
    finished_first = sweep(recipe, grid, "cut", resume=True, cpu=True, listeners=[Stop(at=2, of="seed=1")])
    assert [(row.state, row.step) for row in finished_first] == [("finished", 4), ("started", 2), ("waiting", 0)]
    before = (Path("cut") / "seed=0" / "metrics.jsonl").stat().st_mtime_ns
    again = sweep(recipe, grid, "cut", resume=True, cpu=True)
    assert (Path("cut") / "seed=0" / "metrics.jsonl").stat().st_mtime_ns == before
    assert [row.state for row in again] == ["finished"] * 3
    for one, other in zip(whole, again):
        assert one.metrics == other.metrics
        assert weights(one.folder) == weights(other.folder)


@pytest.mark.parametrize("left", ["folder", "description", "checkpoint", "end"])
def test_a_crash_at_any_instant_is_mended_by_a_resume(
    recipe: str, left: str, whole: list[Row], stopped: Path, undrawn: None
) -> None:
    """What a run's folder holds at moments of its life, with nothing after it."""
    grid = {"train.seed": [0, 1]}
    shutil.copytree(stopped, "cut")
    run = Path("cut") / "seed=1"
    if left == "folder":
        (run / "checkpoints").mkdir(parents=True)
        (run / "samples").mkdir()
        (run / "recipe.toml").write_text(RECIPE, "utf-8")
    else:
        if left == "checkpoint":
            sweep(recipe, {"train.seed": [1]}, "one", cpu=True, listeners=[Stop(at=3)])
            (Path("one") / "seed=1").rename(run)
        else:
            shutil.copytree(whole[1].folder, run)
        log = run / "metrics.jsonl"
        if left == "description":
            log.unlink()
            shutil.rmtree(run / "checkpoints")
            (run / "checkpoints").mkdir()
        if left == "end":
            log.write_text(log.read_text("utf-8").rpartition('{"event": "end"')[0] + '{"event": "en', "utf-8")
    rows = sweep(recipe, grid, "cut", resume=True, cpu=True)
    assert [row.state for row in rows] == ["finished", "finished"]
    assert [row.metrics for row in rows] == [row.metrics for row in whole[:2]]


def test_a_failed_run_is_tried_again(recipe: str, undrawn: None) -> None:
    class Once:
        failed = False

        def skip(self, run: Any, number: int) -> None:
            raise AssertionError

        def train(self, run: Any, number: int, folder: Path, resume: bool, lock: int | None) -> Outcome:
            return Outcome(problem="out of memory")

    plan = make_plan([recipe], ["train.seed=0,1"])
    done = work(plan, SweepFolder(Path("out")), Once(), resume=False)
    assert [row.state for row in done.rows] == ["failed", "failed"] and not done.ours and not done.stopped
    rows = sweep(recipe, {"train.seed": [0, 1]}, "out", resume=True, cpu=True)
    assert [row.state for row in rows] == ["finished", "finished"]


# -- resuming another sweep -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "overrides", "edit", "said"),
    [
        ({"train.seed": [0, 2]}, [], None, ["seed=1", "seed=2"]),
        ({"train.seed": [0, 1, 2]}, [], None, ["does not hold", "seed=2"]),
        ({"train.seed": [0]}, [], None, ["not asked for now", "seed=1"]),
        ({"train.seed": [0, 1]}, ["train.batch_size=1"], None, ["train.batch_size", "every run", "2, as the sweep"]),
        ({"train.seed": [0, 1]}, [], ("steps = 4", "steps = 5"), ["train.steps", "4, as the sweep has it"]),
    ],
)
def test_another_sweep_is_refused_and_it_is_said_how_it_differs(
    recipe: str,
    grid: dict[str, Any],
    overrides: list[str],
    edit: tuple[str, str] | None,
    said: list[str],
    stopped: Path,
) -> None:
    shutil.copytree(stopped, "out")
    before = Path("out/sweep.json").read_bytes()
    if edit is not None:
        Path(recipe).write_text(RECIPE.replace(*edit), "utf-8")
    with pytest.raises(RunError) as caught:
        sweep(recipe, grid, "out", overrides=overrides, resume=True, cpu=True)
    for part in said:
        assert part in str(caught.value)
    assert Path("out/sweep.json").read_bytes() == before


def test_a_folder_that_holds_something_is_refused(recipe: str) -> None:
    Path("mine").mkdir()
    Path("mine/letter.txt").write_text("kept")
    with pytest.raises(RunError, match="is no sweep"):
        sweep(recipe, {"train.seed": [0, 1]}, "mine", cpu=True)
    with pytest.raises(RunError, match="no sweep to resume"):
        sweep(recipe, {"train.seed": [0, 1]}, "mine", resume=True, cpu=True)
    assert [path.name for path in Path("mine").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 9}', '{"format": 1}', '{"format": 1, "runs": [3]}'])
def test_a_damaged_description_is_refused(recipe: str, text: str) -> None:
    Path("out").mkdir()
    Path("out/sweep.json").write_text(text, "utf-8")
    with pytest.raises(RunError, match=r"sweep\.json"):
        sweep(recipe, {"train.seed": [0, 1]}, "out", resume=True, cpu=True)
    assert Path("out/sweep.json").read_text("utf-8") == text


def test_two_sweeps_never_share_a_folder(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    with folder.alone(), pytest.raises(RunError, match="at work already"), SweepFolder(tmp_path).alone():
        pass
    with SweepFolder(tmp_path).alone() as lock:
        assert lock is not None


# -- the comparison ---------------------------------------------------------------------------------------------------------


def test_the_comparison_is_that_of_toonforge_compare(recipe: str, undrawn: None) -> None:
    sweep(recipe, {"train.batch_size": [1, 2]}, "out", cpu=True)
    tables = [Path("out/table.md").read_text("utf-8"), Path("out/table.csv").read_text("utf-8")]
    compare(["out"], "again")
    assert Path("again/table.csv").read_text("utf-8") == tables[1]
    assert Path("again/table.md").read_text("utf-8").splitlines()[0] == tables[0].splitlines()[0]
    lines = tables[0].splitlines()
    assert lines[0] == "# out" and lines[2].startswith("| batch_size | change (lower is better) |")
    assert lines[-1].startswith("- ") and Path("out/compare.html").is_file()


def test_a_run_that_patience_ended_is_finished(tmp_path: Path) -> None:
    assert state_of(tmp_path / "nothing") == "waiting"
    make(tmp_path / "patient", end="no-improvement")
    make(tmp_path / "stopped", end="interrupted")
    make(tmp_path / "killed", end=None)
    assert [state_of(tmp_path / name) for name in ("patient", "stopped", "killed")] == [
        "finished",
        "started",
        "started",
    ]


def test_a_row_holds_the_last_numbers_of_a_finished_run_only(tmp_path: Path) -> None:
    runs = find_runs([make(tmp_path / "a"), make(tmp_path / "b", end="interrupted")])
    done, stopped = map(read_row, runs)
    assert done.metrics["kid"] == 82.0 and done.metrics["kid.std"] == 2.5 and math.isnan(done.metrics["fourier.high"])
    assert (done.state, stopped.state, stopped.metrics) == ("finished", "started", {})
    assert done.step == 60 and done.seconds == 65.0 and done.memory == 500_060_000 and done.images_per_second


@pytest.mark.parametrize("values", [1, "classic", None])
def test_a_grid_from_python_wants_lists(values: object) -> None:
    with pytest.raises(RecipeError, match="not a list of values"):
        from_data({"train.batch_size": values})  # type: ignore[dict-item]
