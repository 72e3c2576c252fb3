"""Measuring on the way: when it happens, what is written and told, and that training does not feel it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from PIL import Image

from tests.measured import register
from tests.test_resume import interrupt_at, tensors
from tests.tiny import BuiltTinyMetric, TinyMetric
from toonforge import recipe as recipes
from toonforge.cli.progress import Progress
from toonforge.errors import Problem, RecipeError, ToonforgeError
from toonforge.events import Measured, RunInfo
from toonforge.inference import Inference
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.train.trainer import train
from toonforge.validation.weights import weights_of

TEXT = """
name = "measured"
data = { type = "tiny/pictures" }
generators.G = { type = "tiny/generator", dropout = 0.5 }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "photo" } }
train = { steps = 7, optimizer.lr = 1e-2, checkpoint.every = 3, %s }
translations.anime = "G(photo)"
metrics.brightness = { type = "tiny/mean", input = "G(photo)" }
"""


def recipe(more: str = "metrics = { every = 2 }") -> Recipe:
    return recipes.loads(TEXT % more)


def measured(folder: Path) -> list[tuple[int, dict[str, float]]]:
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(event["step"], event["metrics"]) for event in events if event["event"] == "metrics"]


def logged(folder: Path, kind: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == kind]


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[Measured] = []

    @hookimpl
    def metrics_measured(self, run: RunInfo, measured: Measured) -> None:
        self.heard.append(measured)


def test_metrics_are_measured_at_the_interval_and_at_the_end(tiny: None, tmp_path: Path) -> None:
    listener = Listener()
    finished = train(recipe(), folder=tmp_path / "run", listeners=[listener], cpu=True)
    assert [step for step, _ in measured(tmp_path / "run")] == [2, 4, 6, 7]
    assert [what.step for what in listener.heard] == [2, 4, 6, 7]
    assert listener.heard[-1].metrics == finished.metrics
    values = [metrics["brightness"] for _, metrics in measured(tmp_path / "run")]
    assert len(set(values)) == 4, "the networks change, so the number must"
    assert all(metrics["brightness.pictures"] == 3 for _, metrics in measured(tmp_path / "run"))


@pytest.mark.parametrize(("every", "steps"), [("{ epochs = 0.5 }", [3, 6, 7]), ("100", [7])])
def test_the_interval_may_be_in_epochs_and_longer_than_the_run(
    tiny: None, tmp_path: Path, every: str, steps: list[int]
) -> None:
    train(recipe(f"metrics = {{ every = {every} }}"), folder=tmp_path / "run", cpu=True)
    assert [step for step, _ in measured(tmp_path / "run")] == steps


def test_without_an_interval_the_end_alone_is_measured(tiny: None, tmp_path: Path) -> None:
    train(recipe("seed = 0"), folder=tmp_path / "run", cpu=True)
    assert [step for step, _ in measured(tmp_path / "run")] == [7]


def test_pictures_of_metrics_lie_in_the_run(tiny: None, tmp_path: Path) -> None:
    finished = train(recipe(), folder=tmp_path / "run", cpu=True)
    names = sorted(path.name for path in (tmp_path / "run/metrics").iterdir())
    assert names == [f"brightness-step-00000{step}.png" for step in (2, 4, 6, 7)]
    assert finished.pictures["brightness"] == tmp_path / "run/metrics/brightness-step-000007.png"
    with Image.open(finished.pictures["brightness"]) as picture:
        assert picture.size == (3, 1)


def test_the_log_says_how_numbers_were_made_and_where_pictures_lie(tiny: None, tmp_path: Path) -> None:
    listener = Listener()
    train(recipe("metrics = { every = 2 }, ema = 0.5"), folder=tmp_path / "run", listeners=[listener], cpu=True)
    for event, told in zip(logged(tmp_path / "run", "metrics"), listener.heard, strict=True):
        assert event["seconds"] > 0
        assert event["pictures"] == {"brightness": f"metrics/brightness-step-{event['step']:06d}.png"}
        assert event["about"] == {
            "brightness": {
                "better": "lower",
                "protocol": "3 pictures of the validation part; networks' weights: moving average (decay 0.5)",
                "pictures": {"input": 3},
                "cautions": [],
            }
        }
        assert told.about["brightness"].protocol == event["about"]["brightness"]["protocol"]
        assert all((tmp_path / "run" / path).is_file() for path in event["pictures"].values())


def test_the_log_says_where_grids_and_their_strips_lie(tiny: None, tmp_path: Path) -> None:
    train(recipe("samples.every = 3"), folder=tmp_path / "run", cpu=True)
    found = logged(tmp_path / "run", "samples")
    assert [event["step"] for event in found] == [3, 6, 7]
    for event in found:
        assert event["grid"] == f"samples/step-{event['step']:06d}.jpg" and (tmp_path / "run" / event["grid"]).is_file()
        assert event["strips"] == f"samples/step-{event['step']:06d}"
        assert (tmp_path / "run" / event["strips"] / "strips.json").is_file()


def test_the_words_for_the_weights_are_those_of_the_recipe(tiny: None, tmp_path: Path) -> None:
    train(recipe("seed = 0"), folder=tmp_path / "run", cpu=True)
    (event,) = logged(tmp_path / "run", "metrics")
    assert event["about"]["brightness"]["protocol"].endswith("; networks' weights: as trained")


def test_averages_are_the_generators_alone(tiny: None) -> None:
    """`[networks] E`, trained or not, and generators that nothing trains, have none."""
    text = (
        TEXT.replace("generators.G =", 'generators.F = { type = "tiny/generator" }\ngenerators.G =')
        + """
phases.q = { updates = ["E"], losses.same = { type = "l1", input = "E(photo)", target = "V(F(photo))" } }
networks.E = { type = "tiny/features" }
networks.V = { type = "tiny/features" }
"""
    )
    words = {"G": "moving average (decay 0.9)", "F": "as given", "E": "as trained", "V": "as given"}
    assert weights_of(recipes.loads(text % "ema = 0.9")) == words
    assert weights_of(recipes.loads(text % "seed = 0")) == {**words, "G": "as trained"}


def test_networks_that_no_phase_trains_make_references_that_are_kept(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And F, which one trains, does not."""
    register()
    calls: list[str] = []
    original = Inference._call
    monkeypatch.setattr(
        Inference, "_call", lambda self, node, *more: (calls.append(node.function), original(self, node, *more))[1]
    )
    text = (
        TEXT.replace("generators.G =", 'generators.F = { type = "tiny/generator" }\ngenerators.G =')
        + """
phases.q = { updates = ["F"], losses.same = { type = "l1", input = "F(anime)", target = "anime" } }
networks.V = { type = "tiny/features" }
metrics.fixed = { type = "tiny/apart", generated = "G(photo)", reference = "V(anime)" }
metrics.moving = { type = "tiny/apart", generated = "G(photo)", reference = "F(anime)" }
"""
    )
    train(recipes.loads(text % "metrics = { every = 2 }"), folder=tmp_path / "run", cpu=True)
    found = [event["metrics"] for event in logged(tmp_path / "run", "metrics")]
    assert (calls.count("V"), calls.count("F")) == (1, 4)
    assert len({each["fixed.untranslated"] for each in found}) == 1
    assert len({each["moving.untranslated"] for each in found}) == len(found) == 4


def test_measuring_does_not_change_the_training(tiny: None, tmp_path: Path) -> None:
    train(recipe("metrics = { every = 1 }"), folder=tmp_path / "often", cpu=True)
    train(recipe("seed = 0"), folder=tmp_path / "never", cpu=True)
    often, never = (tensors(tmp_path / run / "checkpoints/step-000007") for run in ("often", "never"))
    assert all(torch.equal(value, never[key]) for key, value in often.items())


def test_a_resumed_run_measures_without_gap_or_duplicate(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(recipe(), folder=tmp_path / "whole", cpu=True)
    interrupt_at(monkeypatch, 4)
    train(recipe(), folder=tmp_path / "parts", cpu=True)
    monkeypatch.undo()
    train(recipe(), folder=tmp_path / "parts", resume=True, cpu=True)
    assert measured(tmp_path / "parts") == measured(tmp_path / "whole")


def test_the_interval_may_change_on_resuming(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_at(monkeypatch, 4)
    train(recipe(), folder=tmp_path / "run", cpu=True)
    monkeypatch.undo()
    train(recipe("metrics = { every = 3 }"), folder=tmp_path / "run", resume=True, cpu=True)
    # Step 4 was left out by the stop, and the resume that makes up for what is due does not ask for it.
    assert [step for step, _ in measured(tmp_path / "run")] == [2, 6, 7]


def test_progress_shows_a_line_for_what_is_measured_on_the_way(
    tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(recipe(), folder=tmp_path / "run", listeners=[Progress(recipe())], cpu=True)
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if "brightness" in line]
    assert [line.split(":")[0] for line in lines] == ["step 2", "step 4", "step 6"]
    assert "brightness-step-000007.png" in shown.out


def test_metrics_share_their_pictures_and_translations(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = attrs.evolve(recipe(), metrics={name: recipe().metrics["brightness"] for name in ("one", "two")})
    calls: list[str] = []
    original = Inference._call
    monkeypatch.setattr(Inference, "_call", lambda self, *args: (calls.append(""), original(self, *args))[1])
    finished = train(two, folder=tmp_path / "run", cpu=True)
    assert finished.metrics["one"] == finished.metrics["two"]
    drawn, batches = 1, 4  # the grid's one batch; four measurements of three pictures in one batch each
    assert len(calls) == drawn + batches


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="out of range"):
        recipe("metrics = { every = 0 }")


def test_the_grid_of_pairs_shows_what_the_translation_should_be(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toonforge.validation import grid as validation

    labels: list[str] = []
    original = validation.draw_grid
    monkeypatch.setattr(
        validation,
        "draw_grid",
        lambda columns, title: (labels.extend(c[0] for c in columns), original(columns, title))[1],
    )
    pairs = (TEXT % "seed = 0").replace('type = "tiny/pictures"', 'type = "tiny/pictures", paired = true')
    train(recipes.loads(pairs), folder=tmp_path / "run", cpu=True)
    assert labels == ["photo", "→ anime", "target anime"]


def test_a_metric_that_cannot_be_built_ends_the_run_before_anything_is_written(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ToonforgeError(Problem(message="its weights are missing"))

    monkeypatch.setattr(TinyMetric, "build", refuse)
    with pytest.raises(ToonforgeError, match="weights are missing"):
        train(recipe(), folder=tmp_path / "run", cpu=True)
    assert not (tmp_path / "run").exists()


def test_each_measurement_starts_empty_and_nothing_is_built_twice(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[BuiltTinyMetric] = []
    monkeypatch.setattr(TinyMetric, "build", lambda *_: built.append(BuiltTinyMetric()) or built[-1])
    train(recipe(), folder=tmp_path / "run", cpu=True)
    assert [len(metric.means) for metric in built] == [3, 3, 3, 3]
