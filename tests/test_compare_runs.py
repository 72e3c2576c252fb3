"""Comparisons: which runs, what differs, which value is best, what is beaten, pictures side by side, and the files."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.compared_runs import about, edit, make, metrics, without
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.report import html
from toonforge.report.compare_curves import charts, curves_of
from toonforge.report.compare_figure import apart, broken_lines, smoothed
from toonforge.report.compare_grid import short_labels
from toonforge.report.compare_metrics import best, metrics_of
from toonforge.report.compare_pictures import moments, side_by_side
from toonforge.report.compare_recipes import ABSENT, differing, surroundings
from toonforge.report.compare_table import Column, Table, clock, make_table
from toonforge.report.compare_written import markdown
from toonforge.report.compared import Compared, find_runs, short_names
from toonforge.report.comparison import Comparison, compare, title_of
from toonforge.report.pictures import Pictures


def table_of(runs: list[Compared]) -> Table:
    return make_table(runs, differing(runs), metrics_of(runs))


def column(table: Table, title: str) -> Column:
    return next(one for one in table.columns if one.title == title)


def narrow_and_wide(place: Path) -> list[Path]:
    """One run of twice the width and a lower KID."""
    narrow = make(place / "runs" / "narrow")
    wide = make(place / "runs" / "wide", recipe=("width = 16", "width = 32"), change=metrics(kid=-10, content=-0.1))
    return [narrow, wide]


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return narrow_and_wide(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The comparison of such two runs, to look at."""
    place = tmp_path_factory.mktemp("compared")
    return compare(narrow_and_wide(place), place / "out" / "deep")


def one_panel(event: dict[str, Any]) -> None:
    """KID alone of the metrics and one loss: figures with one panel."""
    for key, kept in (("metrics", "kid"), ("losses", "warm_up.drawn")):
        if key in event:
            event[key] = {name: value for name, value in event[key].items() if name.startswith(kept)}


# -- which runs ---------------------------------------------------------------------------------------------------------


def sweep_folder(folder: Path, **more: Any) -> Path:
    runs = []
    for size in (1, 8):
        name = f"batch_size={size}"
        make(folder / name, recipe=("batch_size = 4", f"batch_size = {size}"))
        runs.append({"name": name, "values": {"batch_size": str(size)}, "state": "finished", "problem": None})
    runs.append({"name": "batch_size=64", "values": {"batch_size": "64"}, "problem": "out of memory", **more})
    (folder / "sweep.json").write_text(json.dumps({"format": 1, "runs": runs}), "utf-8")
    return folder


def test_a_sweeps_folder_stands_for_all_its_runs_also_those_that_failed_at_once(tmp_path: Path, undrawn: None) -> None:
    done = compare([sweep_folder(tmp_path / "sweep")])
    assert [run.name for run in done.runs] == ["batch_size=1", "batch_size=8", "batch_size=64"]
    assert [run.state for run in done.runs] == ["finished", "finished", "failed"]
    assert done.folder == tmp_path / "sweep" and done.page.is_file()
    titles = [one.title for one in done.table.columns]
    assert titles[:2] == ["batch_size", "state"] and titles[-1] == "folder" and "run" not in titles
    assert done.table.failed == ("batch_size=64 failed: out of memory",)
    assert column(done.table, "batch_size").cells == ("1", "8", "64", "untranslated", "filter")


def test_a_sweep_and_a_run_of_its_own_stand_side_by_side(tmp_path: Path) -> None:
    runs = find_runs([sweep_folder(tmp_path / "sweep"), make(tmp_path / "alone")])
    assert [run.name for run in runs] == ["batch_size=1", "batch_size=8", "batch_size=64", "alone"]
    assert [one.title for one in table_of(runs).columns][:2] == ["run", "batch_size"]


def test_names_are_the_shortest_ends_that_differ() -> None:
    folders = [Path("/x/a/run"), Path("/x/b/run"), Path("/x/b/other"), Path("/y/b/run")]
    assert short_names(folders) == ["a/run", "x/b/run", "other", "y/b/run"]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), min_size=1, unique=True))
def test_no_two_runs_are_called_alike(paths: list[str]) -> None:
    names = short_names([Path("/root") / path for path in paths])
    assert len(set(names)) == len(names)
    assert all(f"/root/{path}".endswith(name) for path, name in zip(paths, names))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/narrow"], ["at least two runs", "toonforge report"]),
        (["runs/narrow", "runs/narrow"], ["the same run is given twice"]),
        (["runs/narrow", "runs/../runs/narrow"], ["the same run is given twice", "runs/../runs/narrow"]),
        (["runs/narrow", "runs/link"], ["the same run is given twice", "runs/link"]),
        (["runs/narrow", "nowhere"], ["nowhere is no run", "no such folder"]),
        (["runs/narrow", "notes.txt"], ["notes.txt is no run", "a file"]),
        (["runs"], ["runs is no run", "there are runs in it: toonforge compare runs/link runs/narrow"]),
        (["broken"], ["broken/sweep.json cannot be read"]),
        (["outside"], ["outside/sweep.json cannot be read", "names no run"]),
        (["runs/narrow", "runs/wide", "-o", "notes.txt"], ["cannot write to notes.txt"]),
        ([], ["missing argument 'RUN...'"]),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_message(
    two: list[Path],
    words: list[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = two[0].parent.parent
    monkeypatch.chdir(place)
    (place / "notes.txt").write_text("mine")
    (place / "runs/link").symlink_to(two[0])
    for name, text in (("broken", "{"), ("outside", '{"runs": [{"name": "../runs/narrow"}]}')):
        (place / name).mkdir()
        (place / name / "sweep.json").write_text(text)
    assert main(["compare", *words]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert all(part in err for part in said), err
    assert not (place / "comparisons").exists() and (place / "notes.txt").read_text() == "mine"


# -- what differs -------------------------------------------------------------------------------------------------------


def test_only_keys_that_differ_are_shown_each_by_the_shortest_name_of_its_own(two: list[Path]) -> None:
    found = differing(find_runs(two))
    assert [(one.key, one.label) for one in found] == [
        ("generators.G.width", "G.width"),
        ("generators.F.width", "F.width"),
    ]
    assert found[0].values == {"narrow": "16", "wide": "32"}
    assert column(table_of(find_runs(two)), "G.width").cells[:2] == ("16", "32")


def test_a_component_of_another_type_is_one_difference_with_its_whole_table(tmp_path: Path) -> None:
    other = '[generators.G]\ntype = "pix2pix/unet"\nlevels = 5'
    runs = find_runs(
        [
            make(tmp_path / "a"),
            make(tmp_path / "b", recipe=('[generators.G]\ntype = "cyclegan/double-unet"\nwidth = 16', other)),
        ]
    )
    (found,) = differing(runs)
    assert found.key == "generators.G" and found.short == {"a": "cyclegan/double-unet", "b": "pix2pix/unet"}
    assert found.values["b"] == '{ "type" = "pix2pix/unet", "levels" = 5 }'


def test_a_loss_that_only_one_run_has_is_one_difference(tmp_path: Path) -> None:
    lost = '[phases.warm_up.losses.undrawn]\ntype = "l1"\nweight = 0.5\n'
    runs = find_runs([make(tmp_path / "a"), make(tmp_path / "b", recipe=(lost, ""))])
    (found,) = differing(runs)
    assert (found.key, found.short) == ("phases.warm_up.losses.undrawn", {"a": "l1 × 0.5", "b": ABSENT})


def test_true_and_one_are_not_the_same(tmp_path: Path) -> None:
    runs = find_runs([make(tmp_path / "a"), make(tmp_path / "b", recipe=("batch_size = 4", "batch_size = 4.0"))])
    assert [one.key for one in differing(runs)] == ["train.batch_size"]


def test_a_run_whose_starts_had_other_speeds_is_told(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a"), make(tmp_path / "b")]
    log = paths[1] / "metrics.jsonl"
    start = next(event for event in map(json.loads, log.read_text().splitlines()) if event["event"] == "start")
    speeds = [{"wanted": wanted, "tricks": [], "why_not": {}} for wanted in ("safe", "auto")]
    log.write_text("".join(json.dumps({**start, "speed": speed}) + "\n" for speed in speeds))
    (found,) = (one for one in surroundings(find_runs(paths)) if one.key == "speed")
    assert found.short == {"a": ABSENT, "b": "safe, then auto"}


def test_the_recipes_names_are_no_difference_and_other_data_or_versions_are_told(tmp_path: Path, undrawn: None) -> None:
    paths = [make(tmp_path / "a"), make(tmp_path / "b", name="other")]
    lock = json.loads((paths[1] / "lock.json").read_text())
    lock["packages"]["torch"] = "2.4.0"
    lock["data"]["photo"] = "41 pictures, 000000000000"
    (paths[1] / "lock.json").write_text(json.dumps(lock))
    runs = find_runs(paths)
    assert differing(runs) == []
    assert [one.key for one in surroundings(runs)] == ["packages.torch", "data.photo"]
    text = compare(paths, tmp_path / "out").page.read_text("utf-8")
    assert "The recipes are the same, name apart." in text and "41 pictures, 000000000000" in text


def test_where_too_many_keys_differ_for_columns_it_is_said(tmp_path: Path) -> None:
    def change(text: str) -> str:
        return re.sub(r"(= )(\d+)$", lambda found: f"= {int(found[2]) + 1}", text, flags=re.MULTILINE)

    paths = [make(tmp_path / "a"), make(tmp_path / "b")]
    (paths[1] / "resolved.toml").write_text(change((paths[1] / "resolved.toml").read_text("utf-8")), "utf-8")
    table = table_of(find_runs(paths))
    assert not [one for one in table.columns if one.kind == "value"]
    assert any("the recipes differ in 8 keys: image_size" in note for note in table.notes)


# -- metrics ------------------------------------------------------------------------------------------------------------


def test_the_best_is_marked_in_the_metrics_own_direction(two: list[Path]) -> None:
    table = table_of(find_runs(two))
    assert column(table, "kid, last").best == {1} and column(table, "kid, last").better == "lower"
    assert column(table, "content").best == {0} and column(table, "content").better == "higher"
    assert all(one.best == frozenset() for one in table.columns if one.kind not in ("metric", "best"))


@pytest.mark.parametrize(
    ("values", "better", "winners"),
    [
        ([3.0, 1.0, 2.0], "lower", {1}),
        ([3.0, 1.0, 3.0], "higher", {0, 2}),
        ([math.nan, 1.0, 2.0], "lower", {1}),
        ([math.nan, 1.0], "lower", set()),
        ([2.0, 2.0], "lower", set()),
        ([math.inf, 1.0], "higher", set()),
        ([], "lower", set()),
    ],
)
def test_nobody_wins_alone_and_what_is_no_number_never_wins(
    values: list[float], better: str, winners: set[int]
) -> None:
    assert best({str(at): value for at, value in enumerate(values)}, better) == {str(at) for at in winners}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (about("kid", protocol="KID of 60 pictures"), "measured in different ways"),
        (about("kid", pictures={"generated": 60}), "measured on different numbers of pictures"),
        (metrics(**{"kid.untranslated": 1.0}), "measured on different pictures"),
        (metrics(**{"kid.filter": 1.0}), "measured on different pictures"),
    ],
    ids=["protocol", "count", "pictures", "filtered"],
)
def test_values_that_do_not_compare_are_shown_and_none_is_marked(tmp_path: Path, change: Any, why: str) -> None:
    paths = [make(tmp_path / "a"), make(tmp_path / "b", change=change)]
    edit(paths[1], metrics(kid=-1, content=-0.1))
    table = table_of(find_runs(paths))
    assert column(table, "kid, last").best == frozenset() and column(table, "content").best
    assert column(table, "kid, last").cells[0].startswith("82 ± 2.5")
    (note,) = [note for note in table.notes if "do not compare" in note]
    assert note.startswith("kid was") and why in note
    assert not any(text.startswith("kid:") for text in table.protocols)


def test_runs_whose_validation_pictures_are_others_do_not_compare(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a"), make(tmp_path / "b")]
    for path, told in zip(paths, ("4 pictures, abc", "4 pictures, def")):
        lock = json.loads((path / "lock.json").read_text("utf-8"))
        (path / "lock.json").write_text(json.dumps({**lock, "data": {"validation: photo": told}}), "utf-8")
    assert all(found.apart == "measured on different pictures" for found in metrics_of(find_runs(paths)))


def test_the_last_and_the_best_of_each_run_are_told_apart(two: list[Path]) -> None:
    found = next(metric for metric in metrics_of(find_runs(two)) if metric.name == "kid")
    assert {run: measured.step for run, measured in found.last.items()} == {"narrow": 60, "wide": 60}
    assert {run: measured.step for run, measured in found.best.items()} == {"narrow": 40, "wide": 40}
    table = table_of(find_runs(two))
    assert column(table, "kid, last").cells[:2] == ("82 ± 2.5", "72 ± 2.5")
    assert column(table, "kid, best").cells[:2] == ("68.33 ± 2.5 @ 40", "58.33 ± 2.5 @ 40")
    assert "content, best" not in [one.title for one in table.columns]  # the last is the best


def test_what_the_metric_is_without_a_model_stands_below_the_runs(two: list[Path]) -> None:
    table = table_of(find_runs(two))
    assert table.runs == 2 and column(table, "run").cells[2:] == ("untranslated", "filter")
    assert column(table, "kid, last").cells[2:] == ("92.8 ± 2.4", "71 ± 2.2") and column(table, "content").cells[
        2:
    ] == ("", "")


def test_what_no_run_beats_is_said_wherever_the_best_is_marked(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], undrawn: None
) -> None:
    for path in two:
        edit(path, metrics(kid=30))
    table = table_of(find_runs(two))
    kid = column(table, "kid, last")
    assert kid.best == {1} and set(kid.lost) == {0, 1} and kid.lost[0] == "does not beat untranslated or filter"
    text = "no run beats the untranslated pictures or a plain cartoon filter"
    assert f"kid (last): {text}" in table.verdicts
    assert main(["compare", *map(str, two), "-o", str(tmp_path / "out")]) == 0
    assert text in " ".join(capsys.readouterr().out.split())
    assert all(text in (tmp_path / "out" / name).read_text("utf-8") for name in ("table.md", "compare.html"))
    page = (tmp_path / "out" / "compare.html").read_text("utf-8")
    (cell,) = re.findall(r'<td data-label="kid, last" class="([^"]*)">.*★.*does not beat untranslated or filter', page)
    assert cell == "number first"


def test_what_beats_everything_gets_no_verdict_and_what_lies_within_the_error_is_said(two: list[Path]) -> None:
    edit(two[0], metrics(kid=-11.5))
    edit(two[1], metrics(kid=-20))
    table = table_of(find_runs(two))  # 70.5 and 52, each with an error of 2.5, beside a filter's 71 with 2.2
    assert column(table, "kid, last").lost == {0: "within the error of filter"}
    assert "kid (last): narrow lies within the error of a plain cartoon filter" in table.verdicts
    edit(two[0], metrics(kid=-17))
    table = table_of(find_runs(two))  # 53.5 and 52
    assert not column(table, "kid, last").lost and column(table, "kid, last").best == {1}
    assert "kid (last and best): that wide is the best is not sure: narrow lies within the error" in table.verdicts


def test_no_verdict_on_a_change_whose_worth_was_not_measured(two: list[Path]) -> None:
    assert not column(table_of(find_runs(two)), "content").lost


def test_columns_say_what_they_are_of(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / "a"),
        make(tmp_path / "b", recipe=("steps = 60", "steps = 80"), done=40, grids=(20, 40), end=None),
    ]
    titles = [one.title for one in table_of(find_runs(paths)).columns]
    assert "train.steps" in titles and "steps done" in titles and "steps" not in titles
    notes = table_of(find_runs(paths)).notes
    assert any(note.endswith("step 60 in a, 40 in b") for note in notes)
    assert any("at step 60" in note for note in table_of(find_runs([paths[0], make(tmp_path / "c")])).notes)


def test_a_run_without_metrics_and_a_number_that_could_not_be_had(tmp_path: Path) -> None:
    def broken(event: dict[str, Any]) -> None:
        if event["event"] == "metrics":
            event["metrics"]["kid"] = None

    paths = [make(tmp_path / "a"), make(tmp_path / "b", change=broken), make(tmp_path / "c", change=without("metrics"))]
    table = table_of(find_runs(paths))
    assert (
        column(table, "kid, last").cells[:3] == ("82 ± 2.5", "nan ± 2.5", "-") and not column(table, "kid, last").best
    )
    assert "not measured yet, or without metrics: c" in table.notes


def test_runs_without_any_metric_are_compared_by_pictures_and_losses_and_that_is_said(tmp_path: Path) -> None:
    paths = [make(tmp_path / name, change=without("metrics")) for name in "ab"]
    for path in paths:
        edit(path, one_panel)
    done = compare(paths, tmp_path / "out")
    assert any("none of the runs was measured" in note for note in done.table.notes)
    assert {"losses.csv", "losses.png", "grid-anime.jpg"} <= {path.name for path in done.files}
    assert "curves.csv" not in {path.name for path in done.files}


def test_states_and_reasons_are_shown_where_not_all_runs_are_finished(tmp_path: Path) -> None:
    paths = [
        make(tmp_path / "a"),
        make(tmp_path / "b", end="failed", message="the loss is | not a number"),
        make(tmp_path / "c", done=40, grids=(20, 40), end=None),
    ]
    table = table_of(find_runs(paths))
    assert column(table, "state").cells[:3] == ("finished", "failed", "unfinished")
    assert column(table, "steps done").cells[:3] == ("60", "60", "40")
    assert table.failed == ("b failed: the loss is | not a number",)


def test_cautions_that_metrics_share_are_said_once(tmp_path: Path) -> None:
    change = about("fourier", cautions=["few pictures: <b>the error</b> is large"])
    runs = find_runs([make(tmp_path / name, change=change) for name in "ab"])
    assert [note for note in table_of(runs).notes if "few" in note] == [
        "kid, fourier: few pictures: <b>the error</b> is large"
    ]


def test_times_read_as_on_a_clock() -> None:
    assert [clock(s) for s in (0.04, 9.9, 59.6, 192, 3792)] == ["0.0 s", "9.9 s", "1:00", "3:12", "1:03:12"]


# -- pictures -----------------------------------------------------------------------------------------------------------


def shown(paths: list[Path]) -> tuple[Any, tuple[str, ...], Pictures]:
    pictures = Pictures()
    found = side_by_side(find_runs(paths), pictures)
    return found.data, found.notes, pictures


def test_pictures_are_matched_by_their_names_whatever_their_order(tmp_path: Path) -> None:
    paths = [make(tmp_path / "x", names=("a", "b", "c")), make(tmp_path / "y", names=("d", "c", "a"))]
    data, notes, _ = shown(paths)
    anime = data["translations"][0]
    assert anime["names"] == ["a", "c"]
    words = [(one["stage"], one["word"]) for one in anime["columns"]]
    assert words == [("input", "photo"), ("output", "x"), ("output", "y")]
    assert [one["at"][-1]["rows"] for one in anime["columns"]] == [[0, 2], [0, 2], [2, 1]]
    assert any("2 pictures are left out" in note for note in notes)


def test_equal_pictures_are_in_the_page_once(tmp_path: Path) -> None:
    data, _, pictures = shown([make(tmp_path / "x"), make(tmp_path / "y")])
    outputs = [one["at"][-1]["picture"] for one in data["translations"][0]["columns"] if one["stage"] == "output"]
    assert outputs[0] == outputs[1] and len(pictures.data()) < 12


def test_the_slider_runs_over_common_steps_and_ends_at_the_last(tmp_path: Path) -> None:
    paths = [make(tmp_path / "x", grids=(20, 40, 60)), make(tmp_path / "y", grids=(10, 20, 40, 60))]
    data, _, _ = shown(paths)
    assert [step["label"] for step in data["steps"]] == [
        *("step 20", "step 40", "step 60, the last"),
        "best checkpoint of each run",
    ]
    assert [step["best"] for step in data["steps"]] == [False, False, False, True] and data["first"] == 2


def test_runs_of_other_steps_meet_at_epochs_or_at_their_ends(tmp_path: Path) -> None:
    def half(event: dict[str, Any]) -> None:
        if event["event"] == "start":
            event["steps_per_epoch"] = 7

    known = {"measured": ()}
    slow = make(tmp_path / "slow", total=56, grids=(14, 28, 56), **known)
    fast = make(tmp_path / "fast", total=28, grids=(7, 14, 28), change=half, **known)
    data, _, _ = shown([slow, fast])
    assert [step["label"] for step in data["steps"]] == ["epoch 1", "epoch 2", "epoch 4, the last"]
    odd = make(tmp_path / "odd", total=33, grids=(11, 33), **known)
    data, _, _ = shown([slow, odd])
    assert [step["label"] for step in data["steps"]] == ["last of each run"]


def test_a_moment_names_a_step_for_every_run(two: list[Path]) -> None:
    found = moments(find_runs(two), {"narrow": [20, 40, 60], "wide": [20, 40]})
    assert [dict(one.steps) for one in found] == [
        {"narrow": 20, "wide": 20},
        {"narrow": 40, "wide": 40},
        {"narrow": 60, "wide": 40},
        {"narrow": 40, "wide": 40},
    ]
    assert [one.label for one in found][2:] == ["last of each run", "best checkpoint of each run"]


def test_runs_that_show_other_pictures_say_so(tmp_path: Path, undrawn: None) -> None:
    data, notes, _ = shown([make(tmp_path / "x", names=("a",)), make(tmp_path / "y", names=("b",))])
    assert data is None and any("no validation picture in common" in note for note in notes)
    paths = [make(tmp_path / "p"), make(tmp_path / "q", change=without("samples"))]
    assert any("No strips of validation pictures: q" in note for note in shown(paths)[1])
    done = compare([tmp_path / "x", tmp_path / "y"], tmp_path / "out")
    assert not (tmp_path / "out" / "grid-anime.jpg").exists()
    assert any("leaves out y" in note for note in done.notes)


def test_too_many_pictures_are_thinned_to_the_budget_and_the_last_stays(tmp_path: Path) -> None:
    paths = [make(tmp_path / name, grids=tuple(range(5, 61, 5))) for name in "xy"]
    edit(paths[1], lambda event: None)
    pictures = Pictures()
    found = side_by_side(find_runs(paths), pictures, budget=60_000)
    assert found.data is not None and len(found.data["steps"]) < 13
    assert found.data["steps"][-2]["label"] == "step 60, the last"
    assert any("moments shown, to keep the page small" in note for note in found.notes)


def test_one_picture_shows_all_runs(done: Comparison) -> None:
    with Image.open(done.folder / "grid-anime.jpg") as picture:
        assert picture.width > 3 * 96 and picture.height > 3 * 64


def test_columns_of_pictures_are_told_apart_in_what_room_there_is() -> None:
    assert short_labels(["1, 1e-3", "4, 1e-3"], 13) == ["1, 1e-3", "4, 1e-3"]
    assert short_labels(["toon2real", "toon2real_without_spectral_norm"], 13) == ["toon2real", "…pectral_norm"]
    assert short_labels(["first_of_a_kind_of_recipe", "second_of_a_kind_of_recipe"], 13) == ["run 1", "run 2"]


# -- curves -------------------------------------------------------------------------------------------------------------


def test_curves_hold_every_number_of_every_run(done: Comparison) -> None:
    lines = list(csv.DictReader((done.folder / "curves.csv").read_text("utf-8").splitlines()))
    assert {line["metric"] for line in lines} >= {"kid", "kid.std", "kid.untranslated", "fourier.high"}
    own = [line for line in lines if line["run"] == "wide" and line["metric"] == "kid"]
    assert [(line["step"], float(line["epoch"])) for line in own] == [(str(s), round(s / 14, 5)) for s in (20, 40, 60)]
    assert float(own[-1]["value"]) == pytest.approx(72.0)
    losses = list(csv.DictReader((done.folder / "losses.csv").read_text("utf-8").splitlines()))
    assert {line["loss"] for line in losses} >= {"warm_up.drawn", "generators.fool_anime"}


def test_every_run_has_a_colour_of_its_own_and_the_same_in_every_chart(tmp_path: Path) -> None:
    paths = [make(tmp_path / f"run{i}") for i in range(10)]
    runs = find_runs(paths)
    data = charts(runs, metrics_of(runs), curves_of(runs))
    looks: dict[str, set[tuple[int, bool]]] = {}
    for group in data["groups"]:
        for chart in group["charts"]:
            for series in (one for one in chart["series"] if one["label"] != "untranslated"):
                looks.setdefault(series["label"], set()).add((series["colour"], series.get("dash", False)))
    assert all(len(found) == 1 for found in looks.values())
    assert len(set.union(*looks.values())) == 10
    assert [group["title"] for group in data["groups"]] == ["Metrics", "Losses"] and len(data["axes"]) == 10


def test_the_untranslated_pictures_are_a_level_in_the_metrics_chart(two: list[Path]) -> None:
    runs = find_runs(two)
    data = charts(runs, metrics_of(runs), curves_of(runs))
    kid = next(chart for chart in data["groups"][0]["charts"] if chart["title"] == "kid")
    (level,) = [series for series in kid["series"] if series["label"] == "untranslated"]
    assert level["y"] == [92.8, 92.8] and level["x"] == [20, 60] and kid["note"] == "lower is better"
    assert "kid.untranslated" not in [chart["title"] for chart in data["groups"][0]["charts"]]


@given(st.lists(st.floats(-1e3, 1e3), max_size=8).map(sorted), st.floats(0.1, 50))
def test_labels_of_curves_keep_their_order_and_their_distance(heights: list[float], room: float) -> None:
    moved = apart(heights, room)
    assert len(moved) == len(heights)
    assert all(b - a >= room * (1 - 1e-6) for a, b in itertools.pairwise(moved))
    if all(b - a >= room for a, b in itertools.pairwise(heights)):
        assert moved == pytest.approx(heights)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.integers(1, 40))
def test_smoothing_stays_between_the_least_and_the_greatest(values: list[float], reach: int) -> None:
    found = smoothed(values, reach)
    assert len(found) == len(values)
    assert all(min(values) - 1e-9 <= value <= max(values) + 1e-9 for value in found)
    assert smoothed([math.nan, *values], reach)[1:] == pytest.approx(found)


def test_a_figure_is_laid_out_once_and_drawn_once_a_file(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    calls: list[str] = []
    for kind, method in ((Figure, "draw"), (ConstrainedLayoutEngine, "execute")):
        whole = getattr(kind, method)
        monkeypatch.setattr(
            kind, method, lambda *given, whole=whole, method=method: (calls.append(method), whole(*given))[1]
        )
    for path in two:
        edit(path, one_panel)
        edit(path, without("metrics"))
    compare(two, tmp_path / "out")
    assert (tmp_path / "out/losses.png").is_file() and (tmp_path / "out/losses.svg").is_file()
    assert calls == ["execute", "draw", "draw"]


def test_a_figure_draws_the_standard_errors_of_runs_and_of_the_untranslated(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes

    bands: list[tuple[Any, Any]] = []
    spans: list[tuple[float, float]] = []
    monkeypatch.setattr(Axes, "fill_between", lambda self, x, low, high, **more: bands.append((low, high)))
    monkeypatch.setattr(Axes, "axhspan", lambda self, low, high, **more: spans.append((low, high)))
    for path in two:
        edit(path, one_panel)
    compare(two, tmp_path / "out")
    assert len(bands) == 2 and (bands[0][0][-1], bands[0][1][-1]) == (79.5, 84.5)
    assert spans == [pytest.approx((90.4, 95.2))]
    text = (tmp_path / "out" / "curves.svg").read_text("utf-8")
    assert "untranslated 92.8 ± 2.4" in text
    data = charts(find_runs(two), metrics_of(find_runs(two)), curves_of(find_runs(two)))
    (level,) = [one for one in data["groups"][0]["charts"][0]["series"] if one["label"] == "untranslated"]
    assert level["low"] == [90.4, 90.4] and level["high"] == [95.2, 95.2]


def test_losses_of_one_run_stand_apart(tmp_path: Path) -> None:
    lost = '[phases.warm_up.losses.undrawn]\ntype = "l1"\nweight = 0.5\n'

    def other(event: dict[str, Any]) -> None:
        for key in [key for key in event.get("losses", {}) if key.startswith("warm_up")]:
            event["losses"][f"other.{key}"] = event["losses"].pop(key)

    runs = find_runs([make(tmp_path / "a"), make(tmp_path / "b", change=other, recipe=(lost, ""))])
    data = charts(runs, metrics_of(runs), curves_of(runs))
    metric, shared, alone = data["groups"]
    assert (shared["title"], alone["title"]) == ("Losses", data["folded"])
    assert {"warm_up.drawn", "other.warm_up.drawn"} <= {chart["title"] for chart in alone["charts"]}
    assert all(len(chart["series"]) == 2 for chart in shared["charts"]) and metric["title"] == "Metrics"
    assert all(len(chart["series"]) == 1 for chart in alone["charts"])


def test_losses_that_no_two_runs_share_make_no_figure(tmp_path: Path) -> None:
    def other(event: dict[str, Any]) -> None:
        one_panel(event)
        event["losses"] = {f"other.{key}": value for key, value in event.get("losses", {}).items()}

    done = compare([make(tmp_path / "a", change=one_panel), make(tmp_path / "b", change=other)], tmp_path / "out")
    made = {path.name for path in done.files}
    assert {"losses.csv", "curves.png"} <= made and not {"losses.png", "losses.svg"} & made
    data = charts(done.runs, metrics_of(done.runs), curves_of(done.runs))
    assert [group["title"] for group in data["groups"]] == ["Metrics", data["folded"]], "folded away on the page"


@given(st.text("ab _,/<>é", max_size=60).map(str.strip), st.integers(4, 30))
def test_a_name_beside_a_curve_loses_nothing_but_spaces_at_ends_of_lines(name: str, room: int) -> None:
    lines = broken_lines(name, room)
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")
    assert len(name) > room or lines == [name]


def test_titles_are_short() -> None:
    assert [title_of(names) for names in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d", "e"])] == [
        *("a and b", "a, b and c", "a, b and 3 more")
    ]
    assert title_of(["x" * 60, "b"]) == f"{'x' * 27}… and b"


# -- files --------------------------------------------------------------------------------------------------------------


def test_the_table_is_markdown_with_the_best_in_bold_and_links_to_the_runs(done: Comparison) -> None:
    text = (done.folder / "table.md").read_text("utf-8")
    body = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in body}) == 1 and len(body) == 6
    assert "| [wide](<../../runs/wide/>) | 32 | 32 | **72 ± 2.5** |" in text
    assert "kid, last (lower is better)" in body[0] and "*untranslated*" in text
    assert (done.folder / "../../runs/wide").resolve() == done.runs[1].folder.resolve()


def test_marks_of_markdown_in_names_stay_text(tmp_path: Path) -> None:
    paths = [make(tmp_path / "a|b*c<d>[e]"), make(tmp_path / "x")]
    runs = find_runs(paths)
    text = markdown(table_of(runs), runs, "a|b", tmp_path)
    assert "[a\\|b\\*c&lt;d&gt;\\[e\\]](<a%7Cb%2Ac%3Cd%3E%5Be%5D/>)" in text and text.startswith("# a\\|b\n")


def test_the_csv_holds_numbers_in_full_and_what_differs_by_its_key(done: Comparison) -> None:
    lines = list(csv.DictReader((done.folder / "table.csv").read_text("utf-8").splitlines()))
    assert [line["generators.G.width"] for line in lines] == ["16", "32"]
    assert [float(line["kid@best"]) for line in lines] == pytest.approx([95 - 80 / 3, 85 - 80 / 3], rel=1e-12)
    assert [line["kid@best.step"] for line in lines] == ["40", "40"]
    assert float(lines[0]["seconds"]) == 65.0 and lines[0]["memory_bytes"] == "500060000"


def test_the_page_holds_all_and_asks_nobody(done: Comparison) -> None:
    text = done.page.read_text("utf-8")
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None and "default-src" in policy[1] and "unsafe" not in policy[1]
    found = re.search(r'id="data-pictures">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    for mime, code in json.loads(found[1]):
        assert mime == "image/jpeg"
        Image.open(io.BytesIO(base64.b64decode(code))).verify()


def test_hostile_names_stay_text_in_the_page(tmp_path: Path, undrawn: None) -> None:
    name = "<script>alert(1)<"
    paths = [make(tmp_path / name), make(tmp_path / "x", recipe=('type = "l1"\nweight = 3', f'type = "{name}"'))]
    edit(paths[1], lambda event: event.update(message=name, reason="failed") if event["event"] == "end" else None)
    text = compare(paths, tmp_path / "out").page.read_text("utf-8")
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;" in text


def test_warnings_of_each_run_are_on_the_page(tmp_path: Path, undrawn: None) -> None:
    text = compare([make(tmp_path / "a", warned=True), make(tmp_path / "b")], tmp_path / "out").page.read_text("utf-8")
    assert "D_anime has won" in text and "since step 48" in text


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_comparison_replaces_the_first_and_nothing_else(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "moment", lambda seconds: "now")  # of which minute a page is
    out = tmp_path / "out"
    for path in two:
        edit(path, one_panel)
    first = compare([*two, make(tmp_path / "more", change=one_panel)], out)
    assert set(held(out)) == {path.name for path in first.files} | {"comparison.json"}
    (out / "mine.txt").write_text("kept")
    for path in two:
        edit(path, without("samples"))
    compare(two, out)  # without pictures, so that the first one's grid would be left over
    before = held(out)
    again = compare(two, out)
    assert held(out) == before and before["mine.txt"] == b"kept" and "grid-anime.jpg" not in before
    assert set(before) == {path.name for path in again.files} | {"mine.txt", "comparison.json"}
    assert json.loads(before["comparison.json"])["runs"] == ["../runs/narrow", "../runs/wide"]


@pytest.mark.parametrize(
    "marker", [None, "{}", '{"files": "table.md", "runs": []}', '{"files": ["curves.png"], "runs": []}']
)
def test_files_that_no_comparison_has_written_stay_and_the_folder_is_refused(
    two: list[Path], tmp_path: Path, marker: str | None
) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "table.md").write_text("mine")
    if marker is not None:
        (out / "comparison.json").write_text(marker)
    before = held(out)
    with pytest.raises(RunError, match=r"(?s)precious holds files that no comparison has written.*table\.md"):
        compare(two, out)
    assert held(out) == before
    with pytest.raises(RunError, match="narrow holds files"):
        compare(two, two[0])


def test_a_marker_that_lists_a_users_file_does_not_cost_it(two: list[Path], tmp_path: Path, undrawn: None) -> None:
    out = compare(two, tmp_path / "out").folder
    (out / "mine.txt").write_text("kept")
    (tmp_path / "outside.txt").write_text("kept")
    (out / "comparison.json").write_text(json.dumps({"runs": [], "files": ["mine.txt", "../outside.txt", ".."]}))
    with pytest.raises(RunError, match=r"(?s)compare\.html"):
        compare(two, out)
    for path in out.iterdir():
        if path.name not in ("mine.txt", "comparison.json"):
            path.unlink()
    compare(two, out)
    assert (out / "mine.txt").read_text() == (tmp_path / "outside.txt").read_text() == "kept"


def test_every_comparison_has_a_folder_of_its_own_and_the_same_runs_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undrawn: None
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {name: make(Path("runs") / name, grids=(), measured=()) for name in "abcde"}
    paths |= {f"x{name}": make(Path("x") / name, grids=(), measured=()) for name in "ab"}
    asked = ["ab", "abc", "abcd", "abce", "abde", ("xa", "xb"), ("xa", "a")]
    first = [compare([paths[name] for name in names]).folder for names in asked]
    assert len(set(first)) == len(asked)
    assert first[0] == Path("comparisons/a+b") and first[2].name.startswith("a+b+c+1-")
    assert [compare([paths[name] for name in names]).folder for names in asked] == first
    (Path("comparisons") / "b+c").mkdir()
    (Path("comparisons") / "b+c" / "table.md").write_text("mine")
    assert compare([paths["b"], paths["c"]]).folder.name.startswith("b+c-")


def test_figures_are_left_out_where_matplotlib_is_missing(two: list[Path], tmp_path: Path, undrawn: None) -> None:
    done = compare(two, tmp_path / "out")
    assert "curves.csv" in {path.name for path in done.files} and not (tmp_path / "out" / "curves.png").exists()
    assert any("toonforge[plots]" in note for note in done.notes)


def test_the_figures_are_pictures_and_the_svg_has_the_names_as_text(done: Comparison) -> None:
    with Image.open(done.folder / "curves.png") as picture:
        assert picture.width > 600
    text = (done.folder / "curves.svg").read_text("utf-8")
    assert ">narrow<" in text and ">kid (lower is better)<" in text


# -- the verb -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [30, 60, 80, 120, 200])
def test_the_table_fits_the_terminal(
    two: list[Path],
    tmp_path: Path,
    room: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    undrawn: None,
) -> None:
    monkeypatch.setenv("COLUMNS", str(room))
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *map(str, two), "-o", "out"]) == 0
    out = capsys.readouterr().out
    lines = out[: out.index("comparison:")].splitlines()
    if room >= 60:
        assert out.count("out/") == 1 and out.count("EfficientNet") <= 1  # the folder, and how it was measured, once
    assert max(len(line.rstrip()) for line in lines if "://" not in line) <= max(room, 40)
    for part in ("narrow", "wide", "72 ± 2.5 *", "untranslated", "92.8"):
        assert part in " ".join(out.split())
    assert "out/compare.html" in out and "\x1b" not in out


def test_it_goes_to_a_folder_of_the_runs_names_and_opens_only_when_asked(
    two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], undrawn: None
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("toonforge.cli.report.open_page", opened.append)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *map(str, two)]) == 0
    assert Path("comparisons/narrow+wide/compare.html").is_file() and opened == []
    assert main(["compare", *map(str, two), "--open"]) == 0
    assert opened == [Path("comparisons/narrow+wide/compare.html")]


def test_commands_to_copy_are_quoted_for_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("it's", "<b> & c"):
        make(Path("my runs") / name, grids=(), measured=())
    with pytest.raises(RunError) as one:
        compare(["my runs"])
    hint = one.value.problems[0].hint or ""
    assert shlex.split(hint.partition(": ")[2])[2:] == ["my runs/<b> & c", "my runs/it's"]
    with pytest.raises(RunError) as other:
        compare(["my runs/it's"])
    assert shlex.split((other.value.problems[0].hint or "").partition(": ")[2])[2:] == ["my runs/it's"]


def test_comparing_needs_no_torch(two: list[Path], tmp_path: Path) -> None:
    for path in two:
        edit(path, one_panel)
    code = (
        f"import sys; from toonforge.cli import main; code = main({['compare', *map(str, two), '-o', 'out']!r})\n"
        "sys.exit(90 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
