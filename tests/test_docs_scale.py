"""The page on what 64 GPUs and a billion pictures would need adds up, and names commands that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from toonforge.data.webdataset.files import MOST

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/explanation/scale.md").read_text("utf-8")
SOURCES = ("given", "measured", "data sheet", "estimate")
PRECISION = 0.005
"""Figures are shown with three digits."""


@attrs.frozen
class Row:
    """A figure of a table: `shown` is its value as text, `source` where it comes from."""

    name: str
    shown: str
    unit: str
    source: str

    @property
    def value(self) -> float:
        return float(self.shown.replace(",", ""))

    @property
    def formula(self) -> str | None:
        found = re.fullmatch(r"`([^`]+)`", self.source)
        return found[1] if found else None


def rows(page: str) -> list[Row]:
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]*) \| ([^|]+) \|$", page, re.M)
    return [Row(*(cell.strip() for cell in row)) for row in found]


def reckoned(page: str) -> dict[str, float]:
    """Every figure: what a formula gives of the figures above it, exactly; what the page shows of the others."""
    known: dict[str, float] = {}
    for row in rows(page):
        assert row.name not in known, f"{row.name} is there twice"
        names = {"__builtins__": {}, "max": max, **known}
        known[row.name] = eval(row.formula, names) if row.formula else row.value
    return known


def wrong(page: str) -> list[str]:
    """The figures that the page shows otherwise than they are, in words."""
    known = reckoned(page)
    return [
        f"{row.name}: {row.shown} is {known[row.name]:.6g}"
        for row in rows(page)
        if row.value != pytest.approx(known[row.name], rel=PRECISION)
    ]


def test_every_figure_is_what_its_formula_gives() -> None:
    assert len([row for row in rows(PAGE) if row.formula]) > 40
    assert wrong(PAGE) == []


def test_a_figure_that_is_changed_alone_is_found() -> None:
    for row in rows(PAGE):
        used = row.formula or any(row.name in (other.formula or "") for other in rows(PAGE))
        changed = PAGE.replace(f"| `{row.name}` | {row.shown} |", f"| `{row.name}` | {row.value * 1.5 + 1:.6g} |")
        assert changed != PAGE
        assert wrong(changed) or not used, row.name


def test_every_other_figure_says_where_it_comes_from() -> None:
    for row in rows(PAGE):
        assert row.formula or row.source.startswith(SOURCES), row
    assert {source for row in rows(PAGE) for source in SOURCES if row.source.startswith(source)} == {*SOURCES}


def test_what_is_measured_names_a_command_that_there_is() -> None:
    commands = set()
    for row in rows(PAGE):
        if row.source.startswith("measured"):
            found = re.match(r"measured: `python (benchmarks/\w+\.py)((?: [\w/.-]+)*)`", row.source)
            assert found, row
            commands.add((found[1], *found[2].split()))
    for script in sorted({script for script, *_ in commands}):
        done = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
        for options in (options for other, *options in commands if other == script):
            assert all(option.lstrip("-") in done.stdout for option in options if not option.isdigit()), options


def test_every_row_of_a_table_of_figures_is_read() -> None:
    body = re.findall(r"^\| figure \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.M)
    assert sum(len(table.splitlines()) for table in body) == len(rows(PAGE)) > 60


def test_figures_named_in_sentences_are_in_a_table() -> None:
    sentences = re.sub(r"^\|.*$", "", PAGE, flags=re.M)
    known = {row.name for row in rows(PAGE)}
    named = {
        word for code in re.findall(r"`([^`]+)`", sentences) for word in re.findall(r"\b[a-z]+_[a-z_0-9]+\b", code)
    }
    assert named - known <= {"open_shards", "validation_shards"} and named & known


def test_so_many_shards_may_be_named_by_one_pattern() -> None:
    assert reckoned(PAGE)["shards"] < MOST and f"up to {MOST:,} shards" in PAGE
