"""The best measurement of a run: the first of the best numbers that were made as the newest one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.run_fixture import write_run
from toonforge.events import About
from toonforge.report.around import speed
from toonforge.report.clock import Clock
from toonforge.report.compare_metrics import metrics_of
from toonforge.report.compared import Compared
from toonforge.report.metrics import metrics_table
from toonforge.runs.record import Measurement, read_record
from toonforge.runs.verdict import as_the_newest, best_of, first_best


def measured(
    step: int, value: float, protocol: str = "p", pictures: int = 9, better: Literal["lower", "higher"] | None = "lower"
) -> Measurement:
    about = {"kid": About(better=better, protocol=protocol, pictures={"generated": pictures})}
    return Measurement(step=step, time=0.0, values={"kid": {"": value}}, about=about, pictures={})


@given(st.dictionaries(st.integers(), st.one_of(st.integers(-5, 5).map(float), st.sampled_from([math.nan, math.inf]))))
def test_the_first_best_is_finite_none_is_better_and_none_before_it_as_good(values: dict[int, float]) -> None:
    for better, sign in (("lower", 1), ("higher", -1)):
        best = first_best(values, better)
        known = {key: sign * value for key, value in values.items() if math.isfinite(value)}
        if best is None:
            assert not known
            continue
        assert known[best] == min(known.values())
        assert best == next(key for key, value in known.items() if value == known[best])


@pytest.mark.parametrize(
    ("run", "best"),
    [
        ([(1, 5.0), (2, 3.0), (3, 3.0), (4, 4.0)], 2),
        ([(1, 5.0), (2, math.nan)], 1),
        ([(1, math.nan)], None),
        ([(1, 1.0, "other"), (2, 5.0), (3, 4.0)], 3),
        ([(1, 1.0, "p", 4), (2, 5.0), (3, 6.0)], 2),
        ([(1, 1.0, "p", 9, "higher"), (2, 5.0), (3, 6.0)], 2),
        ([(1, 1.0), (2, 2.0, "other"), (3, 6.0), (4, 5.0)], 4),
        ([(1, 1.0, "p", 9, None), (2, 2.0, "p", 9, None)], None),
        ([], None),
    ],
)
def test_only_numbers_made_as_the_newest_one_are_ranked(run: Sequence[tuple[int, float]], best: int | None) -> None:
    found = best_of([measured(*each) for each in run], "kid")
    assert (None if found is None else found.step) == best


def test_a_number_that_is_not_complete_is_not_ranked_and_breaks_no_ranking() -> None:
    run = [measured(1, 3.0), attrs.evolve(measured(2, 1.0, pictures=8), complete=False), measured(3, 4.0)]
    best = best_of(run, "kid")
    assert best is run[0] and as_the_newest(run, "kid") == [run[0], run[2]] and best_of(run[1:2], "kid") is None


def test_of_numbers_of_which_nothing_is_said_all_are_alike_and_none_is_the_best() -> None:
    run = [Measurement(step=step, time=0.0, values={"kid": {"": 1.0}}, about={}, pictures={}) for step in (1, 2)]
    assert as_the_newest(run, "kid") == run and best_of(run, "kid") is None
    assert as_the_newest(run, "fid") == []


def test_the_page_ranks_only_what_was_measured_as_the_last_and_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", total=100, grids=[20, 40, 60, 80, 100])
    before = metrics_table(read_record(run))
    assert before is not None and not any("another way" in said for _, said in before["cautions"])
    lines = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "metrics" and event["step"] < 60:
            event["metrics"]["kid"] = 1.0
            event["about"]["kid"]["protocol"] = "on smaller pictures"
        lines.append(json.dumps(event))
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    table = metrics_table(read_record(run))
    assert table is not None
    kid = next(row for row in table["rows"] if row["name"] == "kid")
    assert kid["cells"][1][1] == "step 60"
    said = "measured in another way before step 60: those numbers are not ranked"
    assert [who for who, cautions in table["cautions"] if said in cautions] == ["kid"]


def test_a_comparison_ranks_of_each_run_what_was_measured_as_its_last(tmp_path: Path) -> None:
    record = read_record(write_run(tmp_path / "run", total=10, grids=[10]))
    changed = attrs.evolve(record, measurements=tuple(measured(*m) for m in ((1, 1.0, "other"), (2, 6.0), (3, 7.0))))
    plain = attrs.evolve(record, measurements=tuple(measured(*m) for m in ((1, 9.0), (2, 5.0), (3, 8.0))))
    runs = [Compared(name=name, folder=tmp_path / name, record=each) for name, each in zip("ab", (changed, plain))]
    (kid,) = metrics_of(runs)
    assert {run: m.step for run, m in kid.best.items()} == {"a": 2, "b": 2}
    assert kid.apart is None and kid.winners("best") == {"b"}


def test_the_speed_in_a_page_leaves_out_the_slow_first_rate(tmp_path: Path) -> None:
    record = read_record(write_run(tmp_path / "run", total=30, grids=[30]))
    rates = [attrs.evolve(step, images_per_second=rate) for step, rate in zip(record.steps, (1.0, 10.0, 20.0, 40.0))]
    shown = dict(speed(attrs.evolve(record, steps=tuple(rates)), Clock(record)))
    assert shown["images per second"] == "20 (median), 40 at most"
