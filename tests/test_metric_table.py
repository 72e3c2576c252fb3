"""The terminal's table of metrics: whole, aligned, within the terminal, and honest about what was not beaten."""

from __future__ import annotations

import math

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toonforge.cli.metric_table import metric_lines
from toonforge.events import About

numbers = st.floats(-1e6, 1e6) | st.just(math.nan)
parts = st.fixed_dictionaries(
    {"": numbers}, optional=dict.fromkeys(("std", "untranslated", "untranslated_std", "filter", "target"), numbers)
)
names = st.text("abcdefgh_", min_size=1, max_size=16)


def about(better: str | None = "lower", protocol: str = "", *cautions: str) -> About:
    return About(better=better, protocol=protocol, pictures={}, cautions=cautions)


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def shown(metrics: dict[str, dict[str, float]], **more: About) -> list[str]:
    return [click.unstyle(line) for line in "\n".join(metric_lines(metrics, more)).split("\n")]


@given(st.dictionaries(names, parts, min_size=1, max_size=5), st.sampled_from(("lower", "higher", None)))
def test_every_metric_and_part_has_a_row_and_columns_line_up(
    metrics: dict[str, dict[str, float]], better: str | None
) -> None:
    lines = shown(metrics, **{name: about(better) for name in metrics})
    rows = [line for line in lines if line.startswith("  ") and not line.startswith("    ")]
    assert [row.split()[0] for row in rows] == list(metrics)
    assert sum(line.startswith("    target") for line in lines) == sum("target" in m for m in metrics.values())
    if "translated" in lines[0]:
        end = lines[0].index("translated") + len("translated")
        assert all(row[end - 1] != " " and row[end : end + 2].strip() == "" for row in rows)
    assert all(len(line) < 80 for line in lines if "does not beat" in line)


@pytest.mark.parametrize(
    ("better", "value", "words"),
    [
        ("lower", 1.0, ""),
        ("lower", 2.0, "does not beat the untranslated"),
        ("lower", 3.5, "does not beat the untranslated or the filter"),
        ("higher", 3.5, ""),
        ("higher", 2.5, "does not beat the filter"),
        ("higher", 2.0, "does not beat the untranslated or the filter"),
        (None, 9.0, ""),
        ("lower", math.nan, ""),
    ],
)
def test_what_is_not_beaten_is_said_in_words(better: str | None, value: float, words: str) -> None:
    lines = "\n".join(shown({"m": {"": value, "untranslated": 2.0, "filter": 3.0}}, m=about(better)))
    assert ("does not beat" in lines) == bool(words) and words in lines


def test_a_number_of_the_change_alone_has_nothing_to_beat() -> None:
    assert "does not beat" not in "".join(shown({"m": {"": 0.8, "filter": 0.9}}, m=about("higher")))


@pytest.mark.parametrize(("better", "best"), [("lower", "1"), ("higher", "3"), (None, None)])
def test_the_best_of_a_row_is_bold_where_one_is_better(better: str | None, best: str | None) -> None:
    row = metric_lines({"m": {"": 2.0, "untranslated": 1.0, "filter": 3.0}}, {"m": about(better)})[1]
    assert ("\x1b[1m" in row) == (best is not None)
    assert best is None or click.style(best, bold=True) in row


def test_values_stand_with_their_errors() -> None:
    (row,) = [
        line for line in shown({"kid": {"": 83.7, "std": 3.0, "filter": 90.2, "filter_std": 12.4}}) if "83" in line
    ]
    assert row.split() == ["kid", "83.7", "±", "3.0", "90.2", "±", "12"]


def test_without_anything_beside_it_a_number_is_not_called_translated() -> None:
    assert "translated" not in "\n".join(shown({"kid": {"": 83.7}}, kid=about()))


def test_what_several_metrics_say_alike_is_said_once() -> None:
    tail = "8 pairs; cut from the middle"
    lines = shown(
        {"near": {"": 1.0}, "both": {"": 1.0}, "far": {"": 1.0}},
        near=about("lower", f"on features; {tail}", "few pictures"),
        both=about("lower", f"on features; weighted; {tail}", "few pictures"),
        far=about("lower", f"in pixels; {tail}"),
    )
    assert lines[-5:] == [
        "  both: weighted",
        "  far: in pixels",
        "  near, both: on features",
        "  all: 8 pairs; cut from the middle",
        "  near, both: caution: few pictures",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_statements_are_wrapped_between_words(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = "mean of everything over all pictures " * 8
    lines = shown({"kid": {"": 1.0}}, kid=about("lower", text.strip(), text.strip()))
    assert all(len(line) < width for line in lines)
    assert " ".join(" ".join(lines).split()).count(text.strip()) == 2


@pytest.mark.parametrize("columns", [30, 40, 50])
def test_in_a_narrow_terminal_values_stand_below_each_other_with_their_names(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    results = {"": 83.71, "std": 3.0, "untranslated": 82.51, "untranslated_std": 2.5, "filter": 60.0, "target": 4.0}
    lines = shown({"kid": results, "far": {"": 1.0, "untranslated": 2.0}}, kid=about("lower"))
    assert all(0 < len(line) < columns for line in lines[: lines.index("")])
    assert lines[: lines.index("  far")] == [
        "metrics",
        "  kid (lower is better)",
        "    translated    83.71 ± 3.0",
        "    untranslated  82.51 ± 2.5",
        "    plain filter  60",
        *(
            ["    does not beat the filter;", "    within the error of the", "    untranslated"]
            if columns == 30
            else ["    does not beat the filter; within", "    the error of the untranslated"]
            if columns == 40
            else ["    does not beat the filter; within the error of", "    the untranslated"]
        ),
        "    target  4",
    ]


def test_no_row_without_words_is_followed_by_an_empty_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in range(20, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = shown({"kid": {"": 1.0, "untranslated": 2.0, "filter": 3.0}}, kid=about("lower"))
        assert all(line.strip() for line in lines[:-1])
