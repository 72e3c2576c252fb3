"""`data.csv`: which picture of a run is for what."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.pictures import fill, save
from toonforge.components import Locates
from toonforge.data import (
    CartoonizedFolder,
    ListedPictures,
    PairedFolders,
    SideBySide,
    Synthetic,
    UnpairedFolders,
)
from toonforge.data.used import only_used
from toonforge.errors import DataError
from toonforge.recipe.expr import Expr
from toonforge.runs.data_list import write_data_list


def listed(path: Path, data: Any) -> list[dict[str, str]]:
    sources = {split: data.build(split) for split in data.splits}
    write_data_list(path, sources, {group: list(fields) for group, fields in data.groups().items()})
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", [UnpairedFolders, PairedFolders])
def test_every_picture_stands_in_one_part(tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {}
    for field in ("photo", "anime"):
        fill(tmp_path / field, 12)
        fields[field] = field
    monkeypatch.chdir(tmp_path)
    rows = listed(tmp_path / "data.csv", kind(fields=fields, validation=0.2, test=0.2))
    assert {row["part"] for row in rows} == {"train", "validation", "test"}
    for field in fields:
        files = [row[field] for row in rows if row[field]]
        assert sorted(files) == [str(tmp_path / field / f"picture{n:02d}.png") for n in range(12)]
    together = all(row["photo"] and row["anime"] for row in rows)
    assert together == (kind is PairedFolders)


def test_a_source_that_does_not_say_where_is_listed_by_names(tmp_path: Path) -> None:
    data = Synthetic(count=4)
    assert not isinstance(data.build("train"), Locates)
    rows = listed(tmp_path / "data.csv", data)
    assert [row["photo"] for row in rows if row["photo"]] == [*(f"train-{n}" for n in range(4)), "validation-0"]


def test_a_run_on_the_list_has_the_same_parts_and_makes_the_cartoons_again(tmp_path: Path) -> None:
    fill(tmp_path / "photo", 12)
    settings: dict[str, Any] = {"image_size": 16, "validation": 0.2, "test": 0.2}
    first = CartoonizedFolder(folder=str(tmp_path / "photo"), **settings)
    assert listed(tmp_path / "data.csv", first)[0].keys() == {"part", "photo"}
    filtered = {"cartoon": Expr.parse("cartoonize(photo, classic)")}
    again = ListedPictures(
        file=str(tmp_path / "data.csv"), fields={"photo": "photo"}, part_column="part", filtered=filtered, **settings
    )
    again.verify()
    for part in ("train", "validation", "test"):
        ours, theirs = again.build(part), first.build(part)
        one, same = ours.item("photo", 0, None), theirs.item("pair", 0, None)
        assert ours.sizes["photo"] == theirs.sizes["pair"] and one.keys() == same.keys()
        assert all(torch.equal(one[field], same[field]) for field in one)


def test_pictures_that_are_no_files_are_recognised_when_the_list_is_to_be_trained_from(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / "both" / f"{number}.png", 20, 40)
    listed(tmp_path / "data.csv", SideBySide(folder=str(tmp_path / "both")))
    with pytest.raises(DataError, match="names no files") as caught:
        ListedPictures(file=str(tmp_path / "data.csv"), fields={"photo": "photo"}, part_column="part").verify()
    hint = caught.value.problems[0].hint
    assert hint is not None and '"side-by-side"' in hint


def test_what_is_not_used_is_not_listed(tmp_path: Path) -> None:
    for field in ("photo", "anime"):
        fill(tmp_path / field, 4)
    data = UnpairedFolders(fields={field: str(tmp_path / field) for field in ("photo", "anime")})
    source = only_used(data.build("train"), data.groups(), {"photo"})
    write_data_list(tmp_path / "data.csv", {"train": source}, {group: list(f) for group, f in data.groups().items()})
    assert (tmp_path / "data.csv").read_text("utf-8").splitlines()[0] == "part,photo"
