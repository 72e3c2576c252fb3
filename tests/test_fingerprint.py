"""A resume notices other pictures: others by name or number, and those that were replaced under their names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pictures import fill, save
from toonforge import recipe as recipes
from toonforge.data import UnpairedFolders
from toonforge.runs.fingerprint import changed_pictures, fingerprint, same
from toonforge.train.trainer import train

RECIPE = """
name = "same"
[data]
type = "unpaired-folders"
image_size = 16
fields = {{ photo = {photo} }}
validation_fields = {{ photo = {held_out} }}
[generators.G]
type = "tiny/generator"
[phases.p]
updates = ["G"]
losses.same = {{ type = "l1", input = "G(photo)", target = "photo" }}
[train]
steps = 2
"""


def of(folder: Path) -> str:
    source = UnpairedFolders(fields={"photo": str(folder)}, validation_fields={"photo": str(folder)}, image_size=16)
    return fingerprint({"train": source.build("train")})["photo"]


def test_names_order_and_sizes_make_it_and_neither_place_nor_time(tmp_path: Path) -> None:
    here = fill(tmp_path / "here", 5)
    shutil.copytree(here, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert of(here) == of(tmp_path / "elsewhere")
    before = of(here)
    save(here / "picture02.png", 40, 40, seed=9)
    assert of(here) != before and of(here).split(", ")[:2] == before.split(", ")[:2]
    (here / "picture04.png").rename(here / "picture05.png")
    assert of(here).split(", ")[1] != before.split(", ")[1]


@pytest.mark.parametrize(
    ("was", "now", "alike"),
    [
        ("5 pictures, aa", "5 pictures, aa", True),
        ("5 pictures, aa", "5 pictures, aa, sizes 12", True),  # of an older version
        ("5 pictures, aa, sizes 12", "5 pictures, aa", True),
        ("5 pictures, aa, sizes 12", "5 pictures, aa, sizes 13", False),
        ("5 pictures, aa", "5 pictures, ab, sizes 12", False),
        ("5 pictures, aa", "5 pictures, aab", False),
        ("5 pictures, aa", "none", False),
    ],
)
def test_older_fingerprints_still_compare(was: str, now: str, alike: bool) -> None:
    assert same(was, now) == alike


@pytest.mark.parametrize(
    ("key", "was", "now", "words"),
    [
        (
            "photo",
            "5 pictures, aa",
            "6 pictures, bb",
            ("the training pictures of photo have changed (5 then, 6 now)", "order differs"),
        ),
        ("photo", "5 p, a, sizes 1", "5 p, a, sizes 2", ("changed under their names", "sees others than until then")),
        (
            "validation: photo",
            "5 p, a",
            "5 p, b",
            ("the validation pictures of photo have changed", "does not compare"),
        ),
    ],
)
def test_it_is_said_what_follows(key: str, was: str, now: str, words: tuple[str, ...]) -> None:
    assert all(part in changed_pictures(key, was, now) for part in words)


def test_a_resume_tells_of_a_picture_that_was_replaced_under_its_name(tiny: None, tmp_path: Path) -> None:
    photos, held_out = fill(tmp_path / "photos", 4), fill(tmp_path / "held-out", 2)
    text = RECIPE.format(photo=json.dumps(str(photos)), held_out=json.dumps(str(held_out)))
    train(recipes.loads(text), folder=tmp_path / "run", cpu=True)
    longer = recipes.loads(text.replace("steps = 2", "steps = 4"))
    save(photos / "picture02.png", 50, 40, seed=9)
    train(longer, folder=tmp_path / "run", resume=True, cpu=True)
    changes = [e["change"] for e in map(json.loads, (tmp_path / "run/metrics.jsonl").open()) if e["event"] == "changed"]
    assert [change for change in changes if "the training pictures of photo have changed under their names" in change]
    assert not [change for change in changes if "validation" in change]
