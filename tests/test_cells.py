"""Tables that are written: a spreadsheet computes nothing of them, and what is read back is what was written."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pictures import save
from tests.run_fixture import write_run
from toonforge.cells import cell, content
from toonforge.cli import main
from toonforge.data.listed import ListedPictures
from toonforge.prepare.engine.manifest import COLUMNS, CSV, Row, lines, read, write

FORMULA = "=cmd|' /C calc'!A0"
STARTS = ("=", "+", "-", "@", "\t", "\r")

formulas = st.builds(str.__add__, st.sampled_from([*STARTS, "'=", "''-"]), st.text(max_size=5)) | st.text(max_size=6)


def computed(text: str) -> bool:
    """Whether a spreadsheet takes it for a formula: a number is one anyway."""
    try:
        float(text)
    except ValueError:
        return text.startswith(STARTS)
    return False


@given(formulas)
@example("'=1")
@example("''=1")
def test_no_cell_is_a_formula_and_each_comes_back(text: str) -> None:
    assert not cell(text).startswith(STARTS)
    assert content(cell(text)) == text


@pytest.mark.parametrize("value", [-1.5, 0, None, True, -3])
def test_numbers_are_numbers(value: object) -> None:
    assert cell(value) is value


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)


@given(st.lists(st.tuples(formulas.filter(lambda t: t.isprintable()), words), min_size=1, max_size=4))
def test_a_manifest_holds_no_formula_and_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, given_rows: list[tuple[str, str]]
) -> None:
    rows = [
        Row(source=f"{first}{number}.png", action="kept", output="kept/a.png", reason=second, figures={"note": first})
        for number, (first, second) in enumerate(given_rows)
    ]
    for row in csv.reader(io.StringIO(lines(rows, ["note"]), newline="")):
        assert not any(computed(text) for text in row), row
    path = tmp_path_factory.mktemp("manifest") / CSV
    write(path, rows, ["note"])
    again, whole = read(path, ["note"])
    assert whole and [(row.source, row.reason) for row in again] == [(row.source, row.reason) for row in rows]
    assert [str(row.figures["note"]) for row in again] == [str(row.figures["note"]) for row in rows]


def test_a_verb_whose_pictures_are_called_like_formulas_goes_on_and_its_table_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"{start}1+1|' calc'!A{number}.png" for number, start in enumerate(("=", "+", "-", "@", "'="))]
    for number, name in enumerate(names):
        save(tmp_path / "photo" / name, 64, 60 + number, seed=number)
    for _ in range(2):
        assert main(["data", "split", "photo", "-o", "parts", "--shares", "60/40/0"]) == 0
    manifest = (tmp_path / "parts" / CSV).read_text("utf-8")
    assert all(f"./{name}" in manifest or f'"./{name}' in manifest for name in names)
    rows = list(csv.reader(io.StringIO(manifest)))
    assert not any(computed(text) for row in rows for text in row)
    assert len(rows) == len(names) + 1 and rows[0][: len(COLUMNS)] == list(COLUMNS)
    data = ListedPictures(file="parts/manifest.csv", fields={"photo": "output"}, part_column="part", image_size=16)
    assert sum(sum(data.build(part).sizes.values()) for part in ("train", "validation")) == len(names)
    capsys.readouterr()


def test_the_tables_of_a_comparison_hold_no_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (FORMULA.replace("/", ""), "@SUM(1)"):
        write_run(tmp_path / name, total=20, grids=[20], names=["a"])
    assert main(["compare", *sorted(os.listdir(tmp_path)), "-o", "compared"]) == 0
    tables = list((tmp_path / "compared").glob("*.csv"))
    assert len(tables) >= 2
    for table in tables:
        for row in csv.reader(io.StringIO(table.read_text("utf-8"))):
            assert not any(computed(text) for text in row), row
    capsys.readouterr()
