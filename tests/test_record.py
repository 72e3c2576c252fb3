"""A run's folder is read whatever state its log is in: torn, foreign, of an older version, or of a resumed run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toonforge.errors import RunError
from toonforge.runs.log import read_events, truncate, write_event
from toonforge.runs.record import read_record

START = {
    "event": "start",
    "step": 0,
    "time": 1000.0,
    "format": 1,
    "total_steps": 20,
    "steps_per_epoch": 4,
    "batch_size": 2,
    "phases": {"g": {"start": 0, "stop": 20, "every": 1, "updates": ["G"]}},
    "parameters": {"G": 12},
    "device": "cpu",
    "processes": 1,
    "averaged": None,
    "notes": [],
}


def logged(step: int, time: float, **more: Any) -> dict[str, Any]:
    known = {"losses": {"g.same": 0.5}, "totals": {"g": 0.5}, "lr": {"g": 0.1}, "images_per_second": 8.0, "memory": 9}
    return {"event": "step", "step": step, "time": time, **known, **more}


def measured(step: int, time: float, **metrics: Any) -> dict[str, Any]:
    about = {"kid": {"better": "lower", "protocol": "as told", "pictures": {"generated": 12}, "cautions": ["few"]}}
    return {"event": "metrics", "step": step, "time": time, "metrics": metrics, "about": about, "pictures": {}}


def warning(step: int, kind: str = "inverted") -> dict[str, Any]:
    return {"event": "warning", "step": step, "time": 0.0, "kind": kind, "about": "a", "message": "m", "hint": "h"}


def over(step: int, kind: str = "inverted") -> dict[str, Any]:
    return {"event": "over", "step": step, "time": 0.0, "kind": kind, "about": "a"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "resolved.toml").write_text('name = "small"\n', "utf-8")
    return tmp_path


def write(run: Path, *lines: Mapping[str, Any] | str) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (run / "metrics.jsonl").write_text("".join(text + "\n" for text in texts), "utf-8")


def test_what_is_written_is_read(run: Path) -> None:
    write(run, START, logged(2, 1002.0), measured(4, 1004.0, **{"kid": 3.0, "kid.std": 0.5}))
    record = read_record(run)
    assert record.name == "small" and record.step == 4 and record.total_steps == 20
    assert record.steps[0].losses == {"g.same": 0.5} and record.steps[0].memory == 9
    assert record.measurements[0].values == {"kid": {"": 3.0, "std": 0.5}}
    about = record.measurements[0].about["kid"]
    assert (about.better, about.protocol, about.pictures, about.cautions) == (
        *("lower", "as told"),
        *({"generated": 12}, ("few",)),
    )
    assert record.starts[0].phases[0].updates == ("G",) and record.epoch(4) == 1.0


def test_a_number_that_json_does_not_know_is_nan_again(run: Path) -> None:
    write_event(run / "metrics.jsonl", "metrics", 3, metrics={"kid": math.nan, "fid": math.inf}, about={})
    write_event(run / "metrics.jsonl", "step", 4, losses={"g.same": math.nan})
    assert "null" in (run / "metrics.jsonl").read_text("utf-8")
    record = read_record(run)
    assert all(math.isnan(record.measurements[0].values[name][""]) for name in ("kid", "fid"))
    assert math.isnan(record.steps[0].losses["g.same"])


@pytest.mark.parametrize(
    ("rates", "median"),
    [([1.0, 10.0, 20.0], 15.0), ([1.0, 10.0], 10.0), ([1.0], 1.0), ([0.0, 1.0, 10.0, 20.0], 15.0), ([0.0], None)],
)
def test_the_rate_of_a_run_is_the_median_without_the_slow_first_one(
    run: Path, rates: list[float], median: float | None
) -> None:
    write(run, *(logged(step, float(step), images_per_second=rate) for step, rate in enumerate(rates, start=1)))
    assert read_record(run).images_per_second == median


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "3",
        '"step"',
        "\x00\x00\x00",
        "[" * 100_000,
        '{"event": "step"}',
        '{"event": "step", "step": true}',
        '{"event": "step", "step": -1, "losses": {}}',
        '{"event": "step", "step": 2.5, "losses": {}}',
        '{"event": "step", "step": 3, "losses": [1]}',
        '{"event": "step", "step": 3, "losses": {"a": "high"}}',
        '{"event": "step", "step": 3, "losses": {"a": 1}, "memory": "much"}',
        '{"event": "step", "step": 3, "losses": {"a": 1' + "0" * 400 + "}}",
        '{"event": "metrics", "step": 3, "metrics": null}',
        '{"event": "metrics", "step": 3, "metrics": {"kid": {}}}',
        '{"event": "metrics", "step": 3, "metrics": {"kid": 1}, "about": {"kid": "lower"}}',
        '{"event": "samples", "step": 3}',
        '{"event": "start", "step": 3, "total_steps": "many"}',
        '{"event": "warning", "step": 3, "kind": ["a"], "about": {}, "message": 1}',
        '{"event": "over", "step": 3, "kind": ["a"], "about": {}}',
        '{"event": "best", "step": 3, "metric": "kid"}',
        '{"event": "end", "step": 3, "reason": null}',
        '{"event": "skipped", "step": 3, "path": 1, "reason": 2}',
        '{"event": "something new", "step": 3, "what": "ever"}',
    ],
)
def test_a_line_of_the_wrong_kind_is_left_out_and_the_others_are_read(run: Path, line: str) -> None:
    write(run, logged(1, 1.0), line, logged(5, 5.0))
    record = read_record(run)
    assert [logged.step for logged in record.steps] == [1, 5]
    assert record.step == 5
    assert not (record.measurements or record.samples or record.starts or record.warnings or record.skipped)
    assert record.best is None and record.end is None
    assert record.unread == ("something new" not in line and bool(line)), "what a newer version writes is no fault"


def test_lines_that_could_not_be_read_are_counted_but_not_one_that_is_being_written(run: Path) -> None:
    write(run, logged(1, 1.0), "{", "", "garbage", logged(5, 5.0))
    assert read_record(run).unread == 2
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"event": "st')
    assert read_record(run).unread == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
KINDS = ("start", "step", "samples", "metrics", "checkpoint", "best", "warning", "over", "changed", "skipped", "end")
KEYS = (
    "losses",
    "metrics",
    "about",
    "phases",
    "reason",
    "kind",
    "message",
    "total_steps",
    "grid",
    "strips",
    "pictures",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), json_values))
def test_no_event_whatever_its_values_ends_in_a_traceback(run: Path, kind: str, more: dict[str, Any]) -> None:
    write(run, {"event": kind, "step": 3, **more}, logged(5, 5.0))
    record = read_record(run)
    assert record.steps[-1].step == 5
    assert record.state in ("unfinished", "finished", "failed", "stopped") and record.memory == 9


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.integers(0, 900))
def test_a_log_cut_anywhere_is_read_as_far_as_it_goes(run: Path, length: int) -> None:
    write(run, START, logged(2, 1002.0), measured(4, 1004.0, kid=3.0))
    whole = (run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").write_bytes(whole[:length])
    lines = whole[:length].count(b"\n")
    cut_only_the_line_end = length and whole[length : length + 1] == b"\n"
    assert len(list(read_events(run))) == lines + bool(cut_only_the_line_end)
    assert read_record(run).step == (0, 0, 2, 4)[lines + bool(cut_only_the_line_end)]


def test_a_log_of_an_older_version_is_read(run: Path) -> None:
    write(
        run,
        {"event": "step", "step": 2, "losses": {"g.same": 1.0}},
        {"event": "metrics", "step": 2, "metrics": {"kid": 3.0, "kid.baseline": 9.0, "kid.baseline_std": 1.0}},
        {"event": "end", "step": 2, "reason": "done", "seconds": 4.5},
    )
    record = read_record(run)
    assert record.measurements[0].values == {"kid": {"": 3.0, "untranslated": 9.0, "untranslated_std": 1.0}}
    assert record.measurements[0].about == {} and record.epoch(2) is None and record.total_steps is None
    assert record.state == "finished" and record.end is not None and record.end.seconds == 4.5
    assert record.images_per_second is None and record.memory is None


def test_a_run_without_a_log_has_done_nothing(run: Path) -> None:
    record = read_record(run)
    assert (record.step, record.state, record.lock, record.end) == (0, "unfinished", {}, None)


@pytest.mark.parametrize(
    ("reason", "state"),
    [("done", "finished"), ("no-improvement", "finished"), ("failed", "failed"), ("interrupted", "stopped")],
)
def test_the_reason_of_the_end_is_the_state(run: Path, reason: str, state: str) -> None:
    write(run, START, {"event": "end", "step": 9, "time": 1010.0, "reason": reason, "seconds": 10.0, "message": None})
    assert read_record(run).state == state and read_record(run).step == 9


def test_an_end_before_a_later_start_is_not_the_runs_end(run: Path) -> None:
    ended = {"event": "end", "step": 2, "time": 1004.0, "reason": "failed", "seconds": 4.0}
    write(run, START, logged(2, 1003.0), ended, {**START, "step": 2, "time": 2000.0})
    assert read_record(run).end is None and read_record(run).state == "unfinished"


def test_warnings_last_until_they_are_over(run: Path) -> None:
    write(run, warning(10), warning(20, "one-colour"), over(30), warning(40), warning(50), over(60, "not-finite"))
    found = [(w.warned.kind, w.warned.step, w.until) for w in read_record(run).warnings]
    assert found == [("inverted", 10, 30), ("one-colour", 20, None), ("inverted", 40, None)]


def test_a_truncated_log_holds_what_lies_before_the_step_and_no_end(run: Path) -> None:
    write(run, START, logged(2, 1002.0), logged(6, 1006.0), {"event": "end", "step": 2, "reason": "done"}, '{"event"')
    truncate(run, 4)
    assert [(event["event"], event["step"]) for event in read_events(run)] == [("start", 0), ("step", 2)]
    assert (run / "metrics.jsonl").read_text("utf-8").count("\n") == 2
    before = (run / "metrics.jsonl").read_bytes()
    truncate(run, 4)
    assert (run / "metrics.jsonl").read_bytes() == before


def test_a_picture_whose_name_is_no_text_is_logged(run: Path) -> None:
    name = "a\udcff.png"  # as Python reads a file name that is not UTF-8
    write_event(run / "metrics.jsonl", "skipped", 1, path=name, reason="größer")
    assert read_record(run).skipped == {name: "größer"}
    truncate(run, 5)
    assert read_record(run).skipped == {name: "größer"}


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.mkdir(), "no resolved.toml"),
        (lambda path: path.write_text("x"), "a file"),
        (lambda path: (path.mkdir(), (path / "resolved.toml").write_text("name = ")), "cannot be read"),
        (lambda path: (path.mkdir(), (path / "resolved.toml").write_bytes(b"\xff\xfe")), "cannot be read"),
    ],
    ids=["nothing", "empty", "file", "torn", "bytes"],
)
def test_what_is_no_run_is_refused(tmp_path: Path, make: Any, found: str) -> None:
    make(tmp_path / "it")
    with pytest.raises(RunError) as caught:
        read_record(tmp_path / "it")
    assert found in str(caught.value)


def test_a_damaged_lock_is_no_hindrance(run: Path) -> None:
    (run / "lock.json").write_text("[" * 100_000, "utf-8")
    assert read_record(run).lock == {}


def test_a_long_log_holds_the_names_of_its_losses_once(run: Path) -> None:
    write(run, logged(1, 1.0), logged(2, 2.0))
    one, two = read_record(run).steps
    for table in ("losses", "totals", "lr"):
        assert all(a is b for a, b in zip(getattr(one, table), getattr(two, table), strict=True))
