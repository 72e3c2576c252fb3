"""What a report's page is made of: thinned curves, chosen steps, the time without pauses, and when it is written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.run_fixture import start, write_log, write_run
from toonforge import events
from toonforge.report import page as page_module
from toonforge.report.around import environment, speed, unused_tricks
from toonforge.report.clock import Clock
from toonforge.report.curves import charts, spans
from toonforge.report.gallery import gallery, spread
from toonforge.report.metrics import verdict
from toonforge.report.page import draw_report
from toonforge.report.pictures import Pictures
from toonforge.report.thinning import columns, curve
from toonforge.report.writer import ReportWriter
from toonforge.runs.record import PhaseSpan, read_record
from toonforge.runs.said import by_sayers

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), min_size=1, max_size=400)


# -- curves -----------------------------------------------------------------------------------------------------------


@given(VALUES, st.integers(4, 60))
def test_a_thinned_curve_keeps_its_ends_its_extremes_and_only_points_that_were_there(values, limit):
    steps = [3 * i + 1 for i in range(len(values))]
    made = curve(steps, values, limit)
    rounded = {step: None if math.isnan(value) else float(f"{value:.5g}") for step, value in zip(steps, values)}
    assert all(rounded[step] == value for step, value in zip(made["x"], made["y"]))
    assert made["x"] == sorted(set(made["x"])) and {steps[0], steps[-1]} <= set(made["x"])
    finite = [value for value in rounded.values() if value is not None]
    kept = [value for value in made["y"] if value is not None]
    if finite:
        assert (max(finite), min(finite)) == (max(kept), min(kept))
    if any(map(math.isnan, values)):
        assert None in made["y"], "a gap stays a gap"
    assert len(made["x"]) <= len(values) and ("mean" in made) == (len(values) > limit)


def test_a_long_curve_becomes_small_and_its_means_are_those_of_what_they_stand_for():
    steps, values = list(range(1, 100_001)), np.random.default_rng(0).normal(size=100_000)
    made = curve(steps, list(values))
    assert len(made["x"]) <= 2002 and len(made["mean"][0]) == 1000
    assert made["mean"][1][0] == pytest.approx(values[:100].mean(), rel=1e-4)
    assert np.mean(made["mean"][1]) == pytest.approx(values.mean(), rel=1e-3, abs=1e-4)


def test_columns_of_rows_with_different_keys_hold_the_steps_at_which_they_were_logged():
    assert columns([(1, {"a": 1.0}), (2, {"a": 2.0, "b": 3.0})]) == {"a": ([1, 2], [1.0, 2.0]), "b": ([2], [3.0])}


def test_phases_become_stretches_of_all_that_are_active():
    def phase(name, first, last, every=1):
        return PhaseSpan(name=name, start=first, stop=last, every=every, updates=())

    assert spans([phase("a", 0, 50), phase("b", 50, 200), phase("c", 50, 200, 3)], 100) == [
        {"start": 0, "stop": 50, "label": "a"},
        {"start": 50, "stop": 100, "label": "b + c (every 3 steps)"},
    ]
    assert spans([phase("a", 20, 50)], 60)[0]["label"] == "no phase" and len(spans([phase("a", 20, 50)], 60)) == 3
    assert [span["label"] for span in spans([phase("a", 0, 90), phase("b", 0, 90)], 40)] == ["a + b"]


def test_a_metric_has_its_baselines_over_the_whole_axis_and_a_band_of_its_error(tmp_path):
    record = read_record(write_run(tmp_path / "run"))
    kid = next(chart for chart in charts(record, Clock(record))["groups"][1]["charts"] if chart["title"] == "kid")
    headline, untranslated, plain = kid["series"]
    assert headline["high"][0] - headline["low"][0] == pytest.approx(5)
    assert untranslated["x"] == [0, 750] and untranslated["y"] == [92.8, 92.8] and untranslated["dash"]
    assert plain["label"] == "plain cartoon filter" and plain["y"] == [71, 71]


def test_a_single_measurement_has_no_curve(tmp_path):
    record = read_record(write_run(tmp_path / "run", measured=[750]))
    assert "Metrics" not in [group["title"] for group in charts(record, Clock(record))["groups"]]


@pytest.mark.parametrize(
    ("values", "better", "words"),
    [
        (
            {"": 1.0, "untranslated": 2.0, "filter": 3.0},
            "lower",
            "beats the untranslated pictures and a plain cartoon filter",
        ),
        (
            {"": 2.5, "untranslated": 2.0, "filter": 3.0},
            "lower",
            "does not beat the untranslated pictures; beats a plain cartoon filter",
        ),
        ({"": 2.0, "untranslated": 2.0}, "lower", "does not beat the untranslated pictures"),
        ({"": 0.5, "untranslated": 0.4}, "higher", "beats the untranslated pictures"),
        ({"": 0.5, "untranslated": 1.0}, "higher", "does not beat the untranslated pictures"),
        ({"": 0.5, "untranslated": 0.4}, None, None),
        ({"": 0.8, "filter": 0.6}, "higher", None),
        (
            {"": 28, "std": 37, "untranslated": 34, "untranslated_std": 39, "filter": 200, "filter_std": 5},
            "lower",
            "within the error of the untranslated pictures; beats a plain cartoon filter",
        ),
        (
            {"": 9, "std": 3, "untranslated": 5, "untranslated_std": 4, "filter": 1, "filter_std": 0.5},
            "lower",
            "does not beat a plain cartoon filter; within the error of the untranslated pictures",
        ),
        ({"": 9, "std": 1, "untranslated": 12, "untranslated_std": 1}, "lower", "beats the untranslated pictures"),
        ({"": math.nan, "untranslated": 0.4}, "lower", None),
    ],
)
def test_a_metric_is_judged_against_what_stands_beside_it(values, better, words):
    found = verdict(values, better)
    assert (found and found[1]) == words


# -- time -------------------------------------------------------------------------------------------------------------


def test_training_time_leaves_out_the_pauses_between_starts(tmp_path):
    folder = tmp_path / "run"
    write_run(folder, total=100, done=0, grids=[], measured=[], warned=False, end=None)
    began = 1_790_000_000.0
    line = {
        "event": "step",
        "losses": {"a.b": 1.0},
        "totals": {"a": 1.0},
        "lr": {"a": 1.0},
        "images_per_second": 1.0,
        "memory": 1,
    }
    steps = [{**line, "step": step, "time": began + step} for step in (10, 20)]
    later = [{**line, "step": step, "time": began + 9000 + step} for step in (30, 40)]
    write_log(folder, [start(0, began, 100), *steps, start(20, began + 9020, 100), *later])
    clock = Clock(read_record(folder))
    assert [clock.at(step) for step in (0, 10, 20, 30, 40)] == [0, 10, 20, 30, 40]
    assert clock.axis() == ([0, 10, 20, 30, 40], [0, 10, 20, 30, 40])


def test_a_clock_that_was_set_back_never_makes_time_run_backwards(tmp_path):
    record = read_record(write_run(tmp_path / "run", resumed=400))
    steps, seconds = Clock(record).axis()
    assert list(seconds) == sorted(seconds) and list(steps) == sorted(set(steps))


# -- which steps ------------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 5000), min_size=1, max_size=120), st.integers(1, 140), st.data())
def test_chosen_steps_are_evenly_spaced_with_the_last_the_best_and_the_first(steps, wanted, data):
    steps = sorted(steps)
    best = data.draw(st.one_of(st.none(), st.sampled_from(steps)))
    chosen = spread(steps, wanted, best)
    assert chosen == sorted(set(chosen)) and set(chosen) <= set(steps)
    assert 1 <= len(chosen) <= max(1, wanted) or len(chosen) == len(steps)
    assert steps[-1] in chosen
    if wanted >= 3:
        assert steps[0] in chosen and (best is None or best in chosen)
    if wanted >= len(steps):
        assert chosen == steps


def test_steps_are_left_out_until_the_pictures_fit_and_the_page_says_so(tmp_path):
    record = read_record(write_run(tmp_path / "run", total=1000, grids=range(50, 1001, 50), names=["a", "b"]))
    whole, few = Pictures(), Pictures()
    everything = gallery(record, whole, str)
    assert len(everything.data["steps"]) == 20 and everything.note == ""
    shown = gallery(record, few, str, budget=whole.size // 3)
    steps = [step["step"] for step in shown.data["steps"]]
    assert few.size <= whole.size // 3 and 3 < len(steps) < 12
    assert {50, 1000, record.best.step} <= set(steps)
    assert shown.note == f"{len(steps)} of 20 grids shown, evenly spaced, to keep the page small."


def test_large_pictures_are_saved_anew_before_the_page_grows_too_large(tmp_path):
    folder = write_run(tmp_path / "run", grids=[10], measured=[], names=["a"], size=(300, 200), total=10, warned=False)
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "samples/step-000010/anime-output.jpg", quality=100)
    pictures = Pictures()
    shown = gallery(read_record(folder), pictures, str, budget=40_000)
    assert "saved anew at a lower quality" in shown.note
    assert pictures.size < 100_000 and shown.data["translations"][0]["size"] == (300, 200)


def test_pictures_of_other_names_at_an_earlier_step_leave_their_cells_empty(tmp_path):
    folder = write_run(tmp_path / "run", grids=[10, 20], names=["a", "b", "c"])
    path = folder / "samples/step-000010/strips.json"
    path.write_text(path.read_text().replace('["a", "b", "c"]', '["c", "x", "a"]'))
    data = gallery(read_record(folder), Pictures(), str).data
    assert data["translations"][0]["names"] == ["a", "b", "c"]
    assert [at["rows"] for at in data["translations"][0]["at"]] == [[2, -1, 0], [0, 1, 2]]


def test_a_page_of_many_steps_stays_below_twelve_megabytes(tmp_path):
    steps = 30
    folder = write_run(
        tmp_path / "run",
        total=steps,
        grids=range(1, steps + 1),
        measured=[],
        names=["a", "b"],
        size=(8, 8),
        warned=False,
    )
    for step in range(1, steps + 1):
        noise = np.random.default_rng(step).integers(0, 256, (16, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise)
        for stage in ("output", "reconstruction"):
            path = folder / f"samples/step-{step:06d}/anime-{stage}.jpg"
            picture.save(path)
            path.write_bytes(path.read_bytes() + bytes([step]) * 500_000)
    text = draw_report(read_record(folder))
    assert 4_000_000 < len(text) < 12_000_000
    assert f"of {steps} grids shown" in text


# -- when it is written ------------------------------------------------------------------------------------------------


def info(folder: Path) -> events.RunInfo:
    return events.RunInfo(
        name="try",
        folder=folder,
        first_step=0,
        total_steps=100,
        steps_per_epoch=10,
        phases=(),
        parameters={},
        device="cpu",
        processes=1,
    )


def finished(reason: str = "done") -> events.Finished:
    return events.Finished(step=100, reason=reason, metrics={}, grid=None, skipped={}, seconds=1.0)


class Times(list):
    """Of writing, and the present."""

    now = 100.0


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Times:
    times = Times()

    def write(folder: Path) -> None:
        times.now += 1.0
        times.append(times.now)

    monkeypatch.setattr(page_module, "write_report", write)
    monkeypatch.setattr("toonforge.report.writer.time.monotonic", lambda: times.now)
    return times


def test_the_page_is_written_at_the_first_grid_and_at_the_end_and_takes_no_more_than_a_fiftieth_between(
    tmp_path, pages
):
    writer, run = ReportWriter(), info(tmp_path)
    writer.run_started(run)
    assert len(pages) == 0
    writer.grid_drawn(run, 10, tmp_path / "grid.jpg")
    assert len(pages) == 1
    began = pages.now
    for step in range(20, 1020, 10):
        pages.now += 4.0
        writer.grid_drawn(run, step, tmp_path / "grid.jpg")
        writer.metrics_measured(run, events.Measured(step=step, metrics={}, about={}))
    between = len(pages) - 1
    assert 4 <= between <= 8 and between / (pages.now - began) <= 0.02
    writer.run_finished(run, finished())
    assert len(pages) == between + 2


def test_a_page_that_cannot_be_written_is_a_note_and_said_once(tmp_path, monkeypatch, capsys):
    def refuse(folder):
        raise OSError("no space left")

    monkeypatch.setattr(page_module, "write_report", refuse)
    writer, run = ReportWriter(), info(tmp_path)
    writer.run_started(run)
    writer.grid_drawn(run, 10, tmp_path / "grid.jpg")
    writer.run_finished(run, finished("failed"))
    assert capsys.readouterr().err == "note: report.html cannot be written: no space left\n"


def test_a_run_that_failed_has_a_page_that_says_so(tmp_path):
    folder = write_run(tmp_path / "run", done=300, end="failed", message="out of memory at step 300")
    writer = ReportWriter()
    writer.run_started(info(folder))
    writer.run_finished(info(folder), finished("failed"))
    assert "out of memory at step 300" in (folder / "report.html").read_text("utf-8")


def test_what_several_metrics_say_alike_is_said_once():
    said = by_sayers({"kid": ["A", "", "x", "y"], "fid": ["B", "x", "y"], "ssim": ["C", "y"]})
    assert said == [("kid", ["A"]), ("fid", ["B"]), ("ssim", ["C"]), ("kid, fid", ["x"]), ("all", ["y"])]
    assert by_sayers({"kid": ["A", "y"]}) == [("kid", ["A", "y"])], "one alone is no all"


# -- speed -----------------------------------------------------------------------------------------------------------


def test_the_speed_of_each_start_is_told_and_why_tricks_are_not_used(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "try", total=20)
    safe = {"wanted": "safe", "tricks": [], "why_not": {"tf32": "train.speed is safe"}}
    listed = {"wanted": "listed", "tricks": ["quick-norms"], "why_not": {"tf32": "for CUDA devices"}}
    lines = [{"event": "step", "step": step, "losses": {}, "time": 10.0, "data": 0.25} for step in (1, 2)]
    write_log(folder, [{**start(0, 1.0, 20), "speed": safe}, *lines])
    record = read_record(folder)
    assert dict(environment(record))["speed"] == "safe: as written, without tricks"
    assert unused_tricks(record) == []
    write_log(folder, [{**start(step, 1.0, 20), "speed": speed} for step, speed in enumerate((safe, listed, listed))])
    record = read_record(folder)
    assert dict(environment(record))["speed"] == "safe: as written, without tricks, then listed: quick-norms"
    assert unused_tricks(record) == ["tf32: for CUDA devices"]
    assert "tricks of speed not used</summary>" in draw_report(record)


def test_waiting_for_pictures_has_one_unit_in_its_chart_and_in_words(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "try", total=20)
    lines = [{"event": "step", "step": step, "losses": {}, "time": 10.0, "data": 0.25} for step in (1, 2)]
    write_log(folder, [start(0, 1.0, 20), *lines])
    record = read_record(folder)
    assert dict(speed(record, Clock(record)))["waiting for pictures"].startswith("25.0 %")
    every = [chart for group in charts(record, Clock(record))["groups"] for chart in group["charts"]]
    (found,) = (chart for chart in every if chart["title"] == "waiting for pictures")
    assert found["series"][0]["y"] == [25.0, 25.0] and found["note"].startswith("%")
