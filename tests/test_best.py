"""The best checkpoint is kept and patience ends a training: the same after a kill, a resume or a damage as without."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.ranks import together
from tests.test_resume import interrupt_at
from tests.tiny import TinyMetric, TinySource
from toonforge import recipe as recipes
from toonforge.components import Count
from toonforge.data.transforms import normalised
from toonforge.errors import RecipeError, RunError
from toonforge.events import About, Best, Measured, RunInfo
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.runs.log import read_events
from toonforge.runs.record import read_record
from toonforge.train.best import Made, Ranking, Seen
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.saving import Saving
from toonforge.train.telling import Telling
from toonforge.train.trainer import train
from toonforge.use.model import load

RECIPE = """
name = "small"
[data]
type = "tiny/pictures"
[generators]
G = {{ type = "tiny/generator" }}
[phases.generators]
updates = ["G"]
losses.same = {{ type = "l1", input = "G(photo)", target = "photo" }}
[translations]
photo = "G(photo)"
[metrics]
mean = {{ type = "tiny/mean", input = "G(photo)" }}
shade = {{ type = "pixel-l1", input = "G(photo)", target = "photo" }}
[train]
steps = {steps}
batch_size = 2
ema = 0.9
checkpoint = {{ every = 3, keep = 1 }}
metrics = {{ every = 1, best = "{best}"{more} }}
"""


def recipe(steps: int = 8, best: str = "mean", more: str = "") -> Recipe:
    return recipes.loads(RECIPE.format(steps=steps, best=best, more=more))


def scripted(
    monkeypatch: pytest.MonkeyPatch,
    *values: float,
    shades: dict[int, float] | None = None,
    pictures: dict[int, int] | None = None,
) -> None:
    """Let `mean` be the n-th value at step n; `pictures`: step -> how many it is made of, 3 where it does not say."""
    from toonforge.validation.validation import Validation

    def measure(self: Validation, inference: object, step: int, progress: object = None) -> Measured:
        metrics = {"mean": values[step - 1], "mean.pictures": 3, "shade": (shades or {}).get(step, 1.0)}
        about = {"mean": About(better="lower", protocol="mean", pictures={"input": (pictures or {}).get(step, 3)})}
        logged = {name: attrs.asdict(each) for name, each in about.items()}
        self.folder.write_event("metrics", step, metrics=metrics, about=logged)
        nested = {"mean": {"": metrics["mean"], "pictures": 3.0}, "shade": {"": metrics["shade"]}}
        return Measured(step=step, metrics=nested, about=about)

    monkeypatch.setattr(Validation, "measure", measure)


def events_of(folder: Path, *kinds: str) -> list[dict[str, Any]]:
    """The log without what differs from run to run."""
    hidden = {"time", "seconds", "images_per_second", "data", "memory"}
    return [
        {key: value for key, value in event.items() if key not in hidden}
        for event in read_events(folder)
        if event["event"] in kinds
    ]


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / "checkpoints").glob("step-*")}


def best_of(folder: Path) -> str:
    return (folder / "checkpoints/best").read_text().strip()


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.best: list[tuple[Best, bool]] = []
        self.notes: tuple[str, ...] = ()
        self.idle = False
        self.steps: list[int] = []

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        self.notes, self.idle = run.notes, run.idle

    @hookimpl
    def best_improved(self, run: RunInfo, best: Best) -> None:
        self.best.append((best, (run.folder / f"checkpoints/step-{best.step:06d}/checkpoint.json").is_file()))


# -- the ranking ----------------------------------------------------------------------------------------------------

VALUES = st.lists(st.floats(-9, 9) | st.just(math.nan) | st.just(math.inf), min_size=1, max_size=12)


def ranked(values: list[float], lower: bool, patience: int | None = 3) -> tuple[Ranking, list[int]]:
    """A ranking, and the steps that were better than all before."""
    ranking = Ranking("kid", lower, patience)
    return ranking, [step for step, value in enumerate(values) if ranking.add(step, Seen({"kid": value}))]


@given(VALUES, st.booleans())
def test_the_best_is_the_first_of_the_extreme_finite_values(values: list[float], lower: bool) -> None:
    ranking, better = ranked(values, lower)
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        assert ranking.best is None and not better and ranking.waited == len(values)
        return
    extreme = min(finite) if lower else max(finite)
    assert ranking.best == Best(metric="kid", value=extreme, step=values.index(extreme))
    assert better[-1] == ranking.best.step and ranking.waited == len(values) - 1 - better[-1]
    assert ranking.over == (ranking.waited >= 3)


@given(VALUES, st.booleans(), st.integers(0, 12))
def test_a_ranking_from_the_log_goes_on_as_the_one_that_wrote_it(values: list[float], lower: bool, cut: int) -> None:
    whole, better = ranked(values, lower)
    ranking = Ranking("kid", lower, 3)
    ranking.restore({step: Seen({"kid": value}) for step, value in enumerate(values[:cut])}, lambda step: True)
    rest = [s for s, value in enumerate(values) if s >= cut and ranking.add(s, Seen({"kid": value}))]
    assert rest == [step for step in better if step >= cut]
    assert (ranking.best, ranking.waited, ranking.over) == (whole.best, whole.waited, whole.over)


@given(VALUES, st.sets(st.integers(0, 11)))
def test_what_has_no_checkpoint_is_not_the_best_that_is_kept(values: list[float], there: set[int]) -> None:
    ranking = Ranking("kid", True, None)
    ranking.restore({step: Seen({"kid": value}) for step, value in enumerate(values)}, there.__contains__)
    candidates = [(value, step) for step, value in enumerate(values) if step in there and math.isfinite(value)]
    assert ranking.best == (
        Best(metric="kid", value=min(candidates)[0], step=min(candidates)[1]) if candidates else None
    )


def test_a_part_of_a_metric_is_ranked_and_an_unknown_one_named() -> None:
    ranking = Ranking("kid.far", False, None)
    assert ranking.add(1, Seen({"kid": 1.0, "kid.far": 2.0})) and ranking.best == Best(
        metric="kid.far", value=2.0, step=1
    )
    with pytest.raises(RunError, match="gives no 'far'") as caught:
        ranking.add(2, Seen({"kid": 1.0, "kid.near": 2.0, "far": 1.0}))
    assert caught.value.problems[0].expected == "kid or kid.near"


def test_patience_counts_from_the_last_better_one_though_its_checkpoint_is_gone() -> None:
    ranking = Ranking("kid", True, 2)
    ranking.restore({step: Seen({"kid": value}) for step, value in enumerate((5, 6, 1, 9))}, {0, 1, 3}.__contains__)
    assert ranking.best == Best(metric="kid", value=5, step=0) and ranking.lost == Best(metric="kid", value=1, step=2)
    assert (ranking.waited, ranking.over) == (1, False)


MADE = st.sampled_from([None, Made("lower", "a", {"x": 3}), Made("lower", "b", {"x": 3}), Made("lower", "a", {"x": 2})])


@given(st.lists(st.tuples(st.floats(-9, 9), MADE), min_size=1, max_size=12), st.integers(0, 12))
def test_only_numbers_made_as_the_newest_one_are_compared(seen: list[tuple[float, Made | None]], cut: int) -> None:
    ranking, better = Ranking("kid", True, 2), []
    for step, (value, made) in enumerate(seen):
        if ranking.add(step, Seen({"kid": value}, made)):
            better.append(step)
    first = max((s for s in range(1, len(seen)) if seen[s][1] != seen[s - 1][1]), default=0)
    value, step = min((value, step) for step, (value, _) in enumerate(seen) if step >= first)
    assert ranking.best == Best(metric="kid", value=value, step=step) and ranking.count == len(seen) - first
    assert ranking.waited == len(seen) - 1 - step and {first, step} <= set(better)
    resumed = Ranking("kid", True, 2)
    resumed.restore({s: Seen({"kid": v}, made) for s, (v, made) in enumerate(seen[:cut])}, lambda step: True)
    for s, (v, made) in list(enumerate(seen))[cut:]:
        assert resumed.add(s, Seen({"kid": v}, made)) == (s in better)
    assert (resumed.best, resumed.waited, resumed.count) == (ranking.best, ranking.waited, ranking.count)


def test_numbers_of_a_metric_that_then_was_better_the_other_way_do_not_count() -> None:
    ranking = Ranking("kid", False, 2)
    ranking.restore({1: Seen({"kid": 1.0}, Made("lower", "a", {}))}, lambda step: True)
    assert ranking.best is None and ranking.count == 0
    ranking.restore({1: Seen({"kid": 1.0}, Made("higher", "a", {}))}, lambda step: True)
    assert ranking.count == 1


# -- keeping it -----------------------------------------------------------------------------------------------------


def test_the_best_checkpoint_outlives_newer_ones_and_is_told_of(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 3, 4, math.nan, 2, 6, 7, 2)
    heard = Listener()
    finished = train(recipe(), folder=tmp_path / "run", cpu=True, listeners=[heard])
    assert best_of(tmp_path / "run") == "step-000005"
    assert kept(tmp_path / "run") == {"step-000005", "step-000008"}
    assert [(best.step, best.value, there) for best, there in heard.best] == [(1, 5, True), (2, 3, True), (5, 2, True)]
    assert finished.best == Best(metric="mean", value=2, step=5) and finished.reason == "done"
    log = events_of(tmp_path / "run", "checkpoint", "best")
    assert {"event": "best", "step": 5, "metric": "mean", "value": 2, "checkpoint": "checkpoints/step-000005"} in log
    for number, event in enumerate(log):
        if event["event"] == "best":
            assert log[number - 1] == {"event": "checkpoint", "step": event["step"], "folder": event["checkpoint"]}
    assert [event["step"] for event in log if event["event"] == "checkpoint"] == [1, 2, 3, 5, 6, 8]


def test_the_last_measurement_may_be_the_best(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, 5, 3, 4, 1)
    assert train(recipe(4), folder=tmp_path / "run", cpu=True).best == Best(metric="mean", value=1, step=4)
    assert best_of(tmp_path / "run") == "step-000004" and kept(tmp_path / "run") == {"step-000004"}


def test_nothing_is_named_best_where_nothing_asks_for_it(tiny: None, tmp_path: Path) -> None:
    plain = recipe(2)
    rule = attrs.evolve(plain.train.metrics, best=None)
    plain = attrs.evolve(plain, train=attrs.evolve(plain.train, metrics=rule))
    assert train(plain, folder=tmp_path / "run", cpu=True).best is None
    assert not (tmp_path / "run/checkpoints/best").exists() and not events_of(tmp_path / "run", "best")


def test_the_best_weights_are_those_that_were_measured(tiny: None, tmp_path: Path) -> None:
    """The checkpoint of the best step gives, used, the number that made it the best: the average's, not the network's."""
    finished = train(recipe(6), folder=tmp_path / "run", cpu=True)
    assert finished.best is not None
    model = load(tmp_path / "run", checkpoint="best", cpu=True)
    source = TinySource({"photo": ("photo",)}, 3, 16)
    pictures = torch.stack([normalised(source.item("photo", index, None)["photo"]) for index in range(3)])
    assert model.step == finished.best.step
    assert float(model(pictures).mean()) == pytest.approx(finished.best.value, abs=1e-6)


# -- the end of patience ----------------------------------------------------------------------------------------------


def test_a_training_that_no_longer_improves_ends_in_order(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 3, 4, math.nan, 9, 1, 1, 1)
    finished = train(recipe(more=", patience = 3"), folder=tmp_path / "run", cpu=True)
    assert (finished.reason, finished.step) == ("no-improvement", 5)
    assert finished.best == Best(metric="mean", value=3, step=2) and finished.metrics["mean"][""] == 9
    assert finished.grid == tmp_path / "run/samples/step-000005.jpg" and finished.grid.is_file()
    assert kept(tmp_path / "run") == {"step-000002", "step-000005"}
    assert events_of(tmp_path / "run", "end") == [{"event": "end", "step": 5, "reason": "no-improvement"}]
    assert [event["step"] for event in events_of(tmp_path / "run", "metrics")] == [1, 2, 3, 4, 5]


def test_patience_that_ends_with_the_last_step_changes_nothing(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 6, 7, 8)
    assert train(recipe(4, more=", patience = 3"), folder=tmp_path / "run", cpu=True).reason == "done"


def test_a_run_that_ended_early_says_so_and_goes_on_with_more_patience(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 3, 4, 9, 1, 2, 2, 2)
    train(recipe(more=", patience = 2"), folder=tmp_path / "run", cpu=True)
    heard = Listener()
    finished = train(recipe(more=", patience = 2"), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert (finished.reason, finished.step, heard.idle) == ("no-improvement", 4, True)
    assert "mean had not improved for 2 measurements" in heard.notes[-1]
    assert "--set train.metrics.patience=4" in heard.notes[-1]
    assert not events_of(tmp_path / "run", "step")[-1]["step"] > 4
    finished = train(recipe(more=", patience = 4"), folder=tmp_path / "run", resume=True, cpu=True)
    assert (finished.reason, finished.step) == ("done", 8)
    assert finished.best == Best(metric="mean", value=1, step=5)


# -- resumed is uninterrupted ---------------------------------------------------------------------------------------

WHAT = ("step", "metrics", "checkpoint", "best")


@pytest.mark.parametrize("cut", range(1, 7))
def test_resumed_equals_uninterrupted(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    values = (5, 3, 4, 2.5, 9, 8, 7, 6)
    scripted(monkeypatch, *values)
    whole = train(recipe(more=", patience = 3"), folder=tmp_path / "whole", cpu=True)
    interrupt_at(monkeypatch, cut)
    assert train(recipe(more=", patience = 3"), folder=tmp_path / "parts", cpu=True).reason == "interrupted"
    monkeypatch.undo()
    scripted(monkeypatch, *values)
    parts = train(recipe(more=", patience = 3"), folder=tmp_path / "parts", resume=True, cpu=True)
    assert (
        (parts.reason, parts.step, parts.best)
        == (whole.reason, whole.step, whole.best)
        == (
            "no-improvement",
            7,
            Best(metric="mean", value=2.5, step=4),
        )
    )
    assert best_of(tmp_path / "parts") == best_of(tmp_path / "whole")
    assert kept(tmp_path / "parts") == kept(tmp_path / "whole")
    of = {run: events_of(tmp_path / run, *WHAT) for run in ("whole", "parts")}
    extra = {"event": "checkpoint", "step": cut, "folder": f"checkpoints/step-{cut:06d}"}
    assert [e for e in of["parts"] if e != extra] == [e for e in of["whole"] if e != extra]


def test_the_best_of_real_numbers_is_the_same_after_a_resume(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(recipe(6, best="shade"), folder=tmp_path / "whole", cpu=True)
    interrupt_at(monkeypatch, 3)
    train(recipe(6, best="shade"), folder=tmp_path / "parts", cpu=True)
    monkeypatch.undo()
    parts = train(recipe(6, best="shade"), folder=tmp_path / "parts", resume=True, cpu=True)
    assert parts.best == whole.best and parts.best is not None and parts.metrics == whole.metrics


class Killed(BaseException):
    """Ends a run where it stands, as a power cut would."""


@pytest.mark.parametrize(
    "victim",
    [
        (Checkpoints, "save"),
        (Telling, "checkpoint"),
        (Checkpoints, "name_best"),
        (Saving, "name_best"),
        (Telling, "best"),
    ],
    ids=lambda victim: f"{victim[0].__name__}-{victim[1]}",
)
def test_a_kill_around_the_best_checkpoint_changes_nothing(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: tuple[type, str]
) -> None:
    """Between measurement and checkpoint; between checkpoint and its name; before each of them is written down."""
    owner, name = victim
    scripted(monkeypatch, 5, 6, 6, 3, 6, 7)
    whole = train(recipe(6), folder=tmp_path / "whole", cpu=True)
    called = "write" if owner is Telling else name
    original = getattr(owner, called)

    def kill(self: object, *given: Any, **more: Any) -> object:
        if given == ((name, 4) if owner is Telling else (4, *given[1:])):
            raise Killed
        return original(self, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(owner, called, kill)
        with pytest.raises(Killed):
            train(recipe(6), folder=tmp_path / "parts", cpu=True)
    heard = Listener()
    parts = train(recipe(6), folder=tmp_path / "parts", resume=True, cpu=True, listeners=[heard])
    assert parts.best == whole.best == Best(metric="mean", value=3, step=4)
    assert best_of(tmp_path / "parts") == "step-000004" and kept(tmp_path / "parts") == kept(tmp_path / "whole")
    assert events_of(tmp_path / "parts", *WHAT) == events_of(tmp_path / "whole", *WHAT)
    assert heard.notes == ()


def damage(folder: Path, step: int) -> None:
    (folder / f"checkpoints/step-{step:06d}/G.safetensors").write_bytes(b"damaged")


def test_a_damaged_best_checkpoint_gives_its_place_to_the_next(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 1, 6, 4, 7, 3, 9, 9)
    train(recipe(5), folder=tmp_path / "run", cpu=True)
    assert best_of(tmp_path / "run") == "step-000002"
    damage(tmp_path / "run", 2)
    heard = Listener()
    finished = train(recipe(8), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    (note,) = [note for note in heard.notes if "best" in note]
    assert note == ("mean was best at step 2 (1), which has no whole checkpoint: the best that has one is 7 of step 5")
    assert any(event["change"] == note for event in events_of(tmp_path / "run", "changed"))
    assert finished.best == Best(metric="mean", value=3, step=6) and best_of(tmp_path / "run") == "step-000006"


def test_no_whole_checkpoint_of_any_measurement_means_no_best_yet(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 1, math.nan, math.nan, 4)
    train(recipe(3), folder=tmp_path / "run", cpu=True)
    damage(tmp_path / "run", 1)
    heard = Listener()
    finished = train(recipe(4), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert any(note.endswith("no other has one") for note in heard.notes)
    assert finished.best == Best(metric="mean", value=4, step=4)


@pytest.mark.parametrize(("later", "step"), [((4, 3), 2), ((4, 0.5), 5)])
def test_a_lost_log_gives_the_place_of_the_best_to_none_that_is_worse(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: tuple[float, ...], step: int
) -> None:
    scripted(monkeypatch, 5, 1, 6, *later)
    train(recipe(3), folder=tmp_path / "run", cpu=True)
    assert best_of(tmp_path / "run") == "step-000002"
    (tmp_path / "run/metrics.jsonl").unlink()
    heard = Listener()
    finished = train(recipe(5), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert any(note.startswith("step 2, the best by mean (1), is kept until a better one") for note in heard.notes)
    assert finished.best == Best(metric="mean", value=1 if step == 2 else 0.5, step=step)
    assert best_of(tmp_path / "run") == f"step-{step:06d}" and read_record(tmp_path / "run").best == finished.best


@pytest.mark.parametrize("held", [None, b"", b"[]", b'{"step": 2, "metric": "mean", "value": "1", "made": null}'])
def test_a_lost_log_and_nothing_that_remembers_the_best_is_told(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bytes | None
) -> None:
    scripted(monkeypatch, 5, 1, 6, 4)
    train(recipe(3), folder=tmp_path / "run", cpu=True)
    (tmp_path / "run/metrics.jsonl").unlink()
    known = tmp_path / "run/checkpoints/best.json"
    known.unlink() if held is None else known.write_bytes(held)
    heard = Listener()
    train(recipe(4), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert any("the best until now, is kept until a measurement of mean" in note for note in heard.notes)


def test_best_names_no_damaged_checkpoint(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, 1, math.nan, math.nan, math.nan)
    train(recipe(3), folder=tmp_path / "run", cpu=True)
    damage(tmp_path / "run", 1)
    assert train(recipe(4), folder=tmp_path / "run", resume=True, cpu=True).best is None
    assert not (tmp_path / "run/checkpoints/best").exists()


def test_another_metric_at_a_resume_is_judged_by_what_the_log_says_of_it(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 4, 3, 2, 9, 9, shades={1: 0.1, 2: 7, 3: 6, 4: 6, 5: 5, 6: 8})
    train(recipe(4), folder=tmp_path / "run", cpu=True)
    heard = Listener()
    finished = train(recipe(6, best="shade"), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    notes = " / ".join(heard.notes)
    assert "train.metrics.best: mean -> shade" in notes
    assert (
        "shade was best at step 1 (0.1), which has no whole checkpoint: the best that has one is 6 of step 4" in notes
    )
    assert finished.best == Best(metric="shade", value=5, step=5) and best_of(tmp_path / "run") == "step-000005"
    assert read_record(tmp_path / "run").best == finished.best


def test_the_former_best_of_another_metric_goes_with_a_word(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 1, 3, 2, 9, 9, shades={1: 9, 2: 7, 3: 6, 4: 5, 5: 6, 6: 8})
    train(recipe(4), folder=tmp_path / "run", cpu=True)
    heard = Listener()
    train(recipe(6, best="shade"), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert heard.notes[-1] == (
        "step 2, the best by mean (1) until now, gives its place to step 4, the best by shade (5)"
    )
    assert {"event": "changed", "step": 4, "change": heard.notes[-1]} in events_of(tmp_path / "run", "changed")


def test_a_best_that_nothing_takes_the_place_of_stays_and_is_told_of_once(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 4, 9, 9, 9, 9)
    train(recipe(4), folder=tmp_path / "run", cpu=True)
    plain = recipe(6)
    plain = attrs.evolve(plain, train=attrs.evolve(plain.train, metrics=attrs.evolve(plain.train.metrics, best=None)))
    heard = Listener()
    assert train(plain, folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard]).best is None
    assert best_of(tmp_path / "run") == "step-000002" and kept(tmp_path / "run") == {"step-000002", "step-000006"}
    assert heard.notes[-1] == (
        "step 2, the best by mean (4) until now, is kept: no other can take its place; checkpoints/best names it"
    )
    assert read_record(tmp_path / "run").best is None
    train(plain, folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert heard.notes == () and best_of(tmp_path / "run") == "step-000002"


# -- measured in another way ------------------------------------------------------------------------------------------


def test_a_metric_that_a_resume_changes_is_ranked_anew(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ", patience = 2"
    scripted(monkeypatch, 5, 1, 2, 3, 90, 80, 81, 82)
    assert train(recipe(more=more), folder=tmp_path / "run", cpu=True).reason == "no-improvement"
    text = RECIPE.format(steps=8, best="mean", more=more)
    changed = recipes.loads(text.replace('"tiny/mean", input = "G(photo)"', '"tiny/mean", input = "photo"'))
    with monkeypatch.context() as patch:
        patch.setattr(Saving, "judge", lambda *given: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train(changed, folder=tmp_path / "run", resume=True, cpu=True)
    notes = [event["change"] for event in events_of(tmp_path / "run", "changed")]
    assert notes[1:] == [
        "mean begins to be measured in another way: its 4 earlier measurements no longer count for the best",
        "step 2, the best by mean (1) until now, is kept until a measurement of mean takes its place",
    ]
    assert best_of(tmp_path / "run") == "step-000002" and "step-000002" in kept(tmp_path / "run")
    heard = Listener()
    finished = train(changed, folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert heard.notes == () and (finished.reason, finished.step) == ("done", 8)
    assert finished.best == Best(metric="mean", value=80, step=6) and best_of(tmp_path / "run") == "step-000006"


def test_a_metric_that_begins_to_judge_the_other_way_is_ranked_anew(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 5, 1, 2, 3, 4)
    train(recipe(4), folder=tmp_path / "run", cpu=True)
    monkeypatch.setattr(TinyMetric, "lower_is_better", False)
    heard = Listener()
    finished = train(recipe(5), folder=tmp_path / "run", resume=True, cpu=True, listeners=[heard])
    assert "its 4 earlier measurements no longer count" in " / ".join(heard.notes)
    assert finished.best == Best(metric="mean", value=4, step=5)


@pytest.mark.parametrize("cut", [None, *range(1, 6)])
def test_another_number_of_pictures_begins_a_ranking_resumed_or_not(
    tiny: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cut: int | None,
) -> None:
    values, fewer = (5, 1, 3, 6, 5, 7), {3: 2, 4: 2, 5: 2, 6: 2}
    if cut is not None:
        scripted(monkeypatch, *values, pictures=fewer)
        interrupt_at(monkeypatch, cut)
        train(recipe(6, more=", patience = 3"), folder=tmp_path / "run", cpu=True)
        monkeypatch.undo()
    scripted(monkeypatch, *values, pictures=fewer)
    resume = cut is not None
    finished = train(recipe(6, more=", patience = 3"), folder=tmp_path / "run", resume=resume, cpu=True)
    assert (finished.reason, finished.best) == ("done", Best(metric="mean", value=3, step=3))
    note = (
        "at step 3 mean begins to be measured in another way: its 2 earlier measurements no longer count for the best"
    )
    assert events_of(tmp_path / "run", "changed") == [{"event": "changed", "step": 3, "change": note}]
    assert capsys.readouterr().err.count(f"note: {note}") == 1
    assert kept(tmp_path / "run") == {"step-000003", "step-000006"}


def test_the_end_tells_no_older_measurement_as_its_own(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(monkeypatch, 3)
    every = attrs.evolve(recipe().train.metrics, every=Count(steps=2))
    plain = attrs.evolve(recipe(), train=attrs.evolve(recipe().train, metrics=every))
    finished = train(plain, folder=tmp_path / "run", cpu=True)
    assert (finished.step, finished.metrics, finished.about, finished.pictures) == (3, {}, {}, {})
    assert [event["step"] for event in events_of(tmp_path / "run", "metrics")] == [2]


def test_a_finished_run_that_is_measured_again_has_one_measurement_of_its_last_step(tiny: None, tmp_path: Path) -> None:
    for resume in (False, True, True):
        finished = train(recipe(3), folder=tmp_path / "run", resume=resume, cpu=True)
    record = read_record(tmp_path / "run")
    assert [m.step for m in record.measurements] == [1, 2, 3] and [s.step for s in record.samples] == [3]
    assert finished.metrics["mean"][""] == record.measurements[-1].values["mean"][""]
    assert finished.best == record.best


# -- several processes ------------------------------------------------------------------------------------------------


def test_all_processes_leave_together(tiny: None, tmp_path: Path) -> None:
    """A metric of the untouched pictures never improves; only the main process measures it."""
    text = RECIPE.format(steps=50, best="mean", more=", patience = 2")
    unmoved = recipes.loads(text.replace('"tiny/mean", input = "G(photo)"', '"tiny/mean", input = "photo"'))

    def ended(resume: bool) -> list[tuple[str, int]]:
        def work(rank: int) -> tuple[str, int]:
            finished = train(unmoved, folder=tmp_path / "run", resume=resume, cpu=True)
            return finished.reason, finished.step

        return together(2, work, patience=60)

    assert ended(resume=False) == [("no-improvement", 3)] * 2
    assert best_of(tmp_path / "run") == "step-000001" and kept(tmp_path / "run") == {"step-000001", "step-000003"}
    assert ended(resume=True) == [("no-improvement", 3)] * 2


# -- what a recipe may ask for ----------------------------------------------------------------------------------------

MORE = """
[metrics.profile]
type = "fourier"
output = "G(photo)"
input = "photo"
"""


@pytest.mark.parametrize(
    ("rule", "key", "words"),
    [
        ('every = 1, best = "maen"', "best", "did you mean 'mean'?"),
        ('every = 1, best = "kid.part"', "best", "mean or shade"),
        ('every = 1, best = "profile"', "best", "describes the pictures and does not judge"),
        ('every = 1, best = "mean.std"', "best", "no number to be improved"),
        ('every = 1, best = "mean.untranslated"', "best", "no number to be improved"),
        ('every = 1, best = "mean."', "best", "no number to be improved"),
        ("every = 1, patience = 3", "patience", "needs `best`"),
        ("patience = 3, every = 1", "patience", "needs `best`"),
        ('best = "mean"', "best", "needs `every`"),
        ('best = "mean", patience = 3', "best", "needs `every`"),
        ('every = 1, best = "mean", patience = 0', "patience", "at least 1"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(tiny: None, rule: str, key: str, words: str) -> None:
    text = RECIPE.format(steps=4, best="mean", more="").replace('every = 1, best = "mean"', rule) + MORE
    with pytest.raises(RecipeError) as caught:
        recipes.loads(text)
    (problem,) = caught.value.problems
    assert problem.key == f"train.metrics.{key}" and words in str(problem)


def test_a_best_without_metrics_says_what_to_add(tiny: None) -> None:
    text = RECIPE.format(steps=4, best="mean", more="")
    with pytest.raises(RecipeError, match=r"add a table \[metrics\.mean\]"):
        recipes.loads(text[: text.index("[metrics]")] + text[text.index("[train]") :])


def test_higher_is_better_where_the_metric_says_so(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyMetric, "lower_is_better", False)
    scripted(monkeypatch, 5, 3, 7, 6)
    assert train(recipe(4), folder=tmp_path / "run", cpu=True).best == Best(metric="mean", value=7, step=3)


def test_a_part_that_the_metric_does_not_measure_ends_the_run_with_one_message(tiny: None, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the metric 'mean' gives no 'contrast'") as caught:
        train(recipe(4, best="mean.contrast"), folder=tmp_path / "run", cpu=True)
    assert "mean.pictures" in str(caught.value.problems[0].expected)
    assert train(recipe(4, best="mean.pictures"), folder=tmp_path / "run", resume=True, cpu=True).reason == "done"


# -- a metric that fails --------------------------------------------------------------------------------------------


def test_a_metric_that_fails_at_its_first_measurement_is_a_number_less(tiny: None) -> None:
    """It leaves out its parts, the ranked one among them; a resume counts that measurement as well."""
    measured = {1: Seen({"kid": math.nan, "psnr": 3.0}), 2: Seen({"kid": 2.0, "kid.part": 1.0}), 3: Seen({"psnr": 3.0})}
    ranking, again = Ranking("kid.part", lower=True, patience=2), Ranking("kid.part", lower=True, patience=2)
    assert [ranking.add(step, measured[step]) for step in (1, 2)] == [False, True]
    again.restore(measured, lambda step: True)
    assert again.best == ranking.best == Best(metric="kid.part", value=1.0, step=2)
    assert (again.count, again.waited) == (ranking.count, ranking.waited) == (2, 0)
    with pytest.raises(RunError, match="gives no 'part'"):
        ranking.add(4, Seen({"kid": 2.0}))
