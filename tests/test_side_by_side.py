"""Pairs in one file: each picture of it is what it would be in a file of its own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import gradient, save
from toonforge.data import PairedFolders, SideBySide, halves
from toonforge.data.files import Files
from toonforge.data.side_by_side import Part, Whole
from toonforge.errors import DataError, FieldError, UnreadableImage
from toonforge.recipe.expr import Expr
from toonforge.testing import DatasetSuite


def join(path: Path, pictures: list[np.ndarray], axis: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(pictures, axis=axis)).save(path)
    return path


def pairs(root: Path, count: int = 8, axis: int = 1) -> None:
    """The same pairs in one folder, side by side, and in two."""
    for number in range(count):
        sides = [gradient(24, 30, seed) for seed in (number, number + 50)]
        join(root / "both" / f"sub{number % 2}" / f"{number}.png", sides, axis)
        for folder, picture in zip(("photo", "toon"), sides):
            join(root / folder / f"sub{number % 2}" / f"{number}.png", [picture])


def side_by_side(root: Path, **settings: Any) -> SideBySide:
    return SideBySide(
        **{"folder": str(root / "both"), "fields": ("photo", "toon"), "image_size": 16, "validation": 0.3, **settings}
    )


class TestSideBySide(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        pairs(tmp_path)
        type(self).component = side_by_side(tmp_path, filtered={"smooth": Expr.parse("smooth_edges(toon)")})


@pytest.mark.parametrize(("layout", "axis"), [("horizontal", 1), ("vertical", 0)])
def test_the_pictures_parts_and_names_are_those_of_the_same_pairs_in_two_folders(
    tmp_path: Path, layout: Any, axis: int
) -> None:
    pairs(tmp_path, axis=axis)
    shares = {"image_size": 16, "validation": 0.3, "test": 0.2}
    one = side_by_side(tmp_path, layout=layout, **shares)
    two = PairedFolders(fields={"photo": str(tmp_path / "photo"), "toon": str(tmp_path / "toon")}, **shares)
    for split in ("train", "validation", "test"):
        ours, theirs = one.build(split), two.build(split)
        assert ours.sizes == theirs.sizes
        for index in range(ours.sizes["pair"]):
            assert ours.name("pair", index) == theirs.name("pair", index)
            item, same = (source.item("pair", index, np.random.default_rng(3)) for source in (ours, theirs))
            assert item.keys() == same.keys()
            assert all(torch.equal(item[field], same[field]) for field in item)


@given(count=st.integers(2, 4), height=st.integers(1, 9), width=st.integers(1, 9), vertical=st.booleans())
def test_what_was_joined_is_cut_into_what_it_was(
    tmp_path_factory: pytest.TempPathFactory, count: int, height: int, width: int, vertical: bool
) -> None:
    pictures = [gradient(height, width, seed) for seed in range(count)]
    file = join(tmp_path_factory.mktemp("joined") / "x.png", pictures, 0 if vertical else 1)
    whole = Whole(Files([str(file)]))
    for number, picture in enumerate(pictures):
        part = Part(whole, number, count, "vertical" if vertical else "horizontal")
        assert np.array_equal(part.read(0), picture)


def test_a_file_is_decoded_once_for_all_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.data import side_by_side as module

    pairs(tmp_path)
    read: list[object] = []
    real = module.read_picture
    monkeypatch.setattr(module, "read_picture", lambda path, **how: read.append(path) or real(path, **how))
    source = side_by_side(tmp_path).build("train")
    for index in range(source.sizes["pair"]):
        source.item("pair", index, None)
    assert len(read) == len(set(read)) == source.sizes["pair"]
    narrowed = side_by_side(tmp_path).build("train").only(frozenset({"toon"}))
    assert set(narrowed.item("pair", 0, None)) == {"toon"}


def test_some_of_the_pictures_keep_what_they_are(tmp_path: Path) -> None:
    pairs(tmp_path)
    part = Part(Whole(Files.below(tmp_path / "both")), 1, 2, "horizontal")
    some = part.only(np.array([6, 1, 4])).only(np.array([2, 0]))
    assert len(some) == 2 and len(part) == 8
    for index, of in enumerate((4, 6)):
        assert np.array_equal(some.read(index), part.read(of))
        assert some.name(index) == part.name(of) and some.where(index) == part.where(of)
        assert some.version(index) == part.version(of)
    copy = pickle.loads(pickle.dumps(some))
    assert np.array_equal(copy.read(0), some.read(0))


def test_the_pictures_of_a_file_are_told_apart_and_a_changed_file_has_another_version(tmp_path: Path) -> None:
    pairs(tmp_path, 1)
    whole = Whole(Files.below(tmp_path / "both"))
    left, right = (Part(whole, number, 2, "horizontal") for number in range(2))
    assert left.where(0).endswith("0.png (1 of 2 across)") and right.where(0).endswith("0.png (2 of 2 across)")
    assert left.version(0) != right.version(0) and left.name(0) == right.name(0) == "sub0--0"
    before = left.version(0)
    join(tmp_path / "both" / "sub0" / "0.png", [gradient(10, 10)])
    assert left.version(0) != before


def test_a_file_that_cannot_be_cut_evenly_is_refused_by_itself(tmp_path: Path) -> None:
    pairs(tmp_path)
    save(tmp_path / "both" / "odd.png", 20, 31)
    train = side_by_side(tmp_path, validation=0.1).build("train")
    odd = [index for index in range(train.sizes["pair"]) if train.name("pair", index) == "odd"]
    assert len(odd) == 1
    with pytest.raises(UnreadableImage, match=r"width, 31 pixels, cannot be cut into 2 equal pictures"):
        train.item("pair", odd[0], None)
    narrow = join(tmp_path / "narrow.png", [gradient(70, 2), gradient(70, 2)])
    with pytest.raises(UnreadableImage, match=r"2x70, are narrower than 1:32"):
        Part(Whole(Files([str(narrow)])), 0, 2, "horizontal").read(0)
    wide = join(tmp_path / "wide.png", [gradient(2, 60), gradient(2, 60)])  # 1:60, each picture of it 1:30
    assert Part(Whole(Files([str(wide)])), 0, 2, "horizontal").read(0).shape == (2, 60, 3)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"fields": ("photo",)}, "fields"),
        ({"fields": ("photo", "photo")}, "fields"),
        ({"fields": ("photo", "a cartoon")}, "fields"),
        ({"filtered": {"x": Expr.parse("smooth_edges(missing)")}}, "filtered.x"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        side_by_side(tmp_path, **settings)
    assert caught.value.field == field


def files(folder: Path, sizes: list[tuple[int, int]]) -> SideBySide:
    for number, (width, height) in enumerate(sizes):
        save(folder / "both" / f"{number:02d}.png", height, width)
    return side_by_side(folder)


SINGLE = "look like single pictures"


@pytest.mark.parametrize(
    ("sizes", "layout", "said"),
    [
        ([(64, 32)] * 9, "horizontal", None),
        ([(80, 30)] * 9, "horizontal", None),  # two of 4:3
        ([(64, 32)] * 6 + [(48, 32)] * 3, "horizontal", None),
        (
            [(48, 32)] * 9,
            "horizontal",
            f"9 of 9 files that were looked at {SINGLE}: one of 48x32 is cut into 2 of 24x32",
        ),
        ([(32, 18)] * 5 + [(18, 32)] * 4, "horizontal", f"9 of 9 files that were looked at {SINGLE}"),
        ([(64, 32)] * 4 + [(48, 32)] * 30, "horizontal", SINGLE),
        ([(64, 32)] * 8 + [(63, 32)], "horizontal", "1 of 9 files that were looked at cannot be cut into 2 equal"),
        ([(32, 64)] * 9, "vertical", None),
        ([(40, 60)] * 9, "vertical", None),  # two of 4:3
        ([(60, 40)] * 9, "vertical", f"{SINGLE}: one of 60x40 is cut into 2 of 60x20"),
    ],
)
def test_files_that_look_like_single_pictures_are_told(
    tmp_path: Path, sizes: list[tuple[int, int]], layout: Any, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    attrs.evolve(files(tmp_path, sizes), layout=layout).verify()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == (said is not None)
    assert said is None or (said in messages[0] and messages[0].startswith("data.folder: "))


def test_files_none_of_which_can_be_cut_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of 9 files .* can be cut into 2 equal pictures") as caught:
        files(tmp_path, [(63, 32)] * 9).verify()
    (problem,) = caught.value.problems
    assert (problem.key, problem.found) == ("data.folder", "63x32")


def test_of_many_files_few_headers_are_read_and_damaged_ones_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = files(tmp_path, [(64, 32)] * 50)
    seen: list[str] = []
    monkeypatch.setattr(halves, "picture_size", lambda path: seen.append(path))
    data.verify()
    assert len(seen) == halves.LOOKED_AT and not caplog.records


def test_a_folder_that_will_not_do_is_told_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.folder: the folder .* does not exist"):
        side_by_side(tmp_path).verify()
    pairs(tmp_path, 1)
    with pytest.raises(DataError, match=r"data.folder: there are too few pictures"):
        side_by_side(tmp_path).verify()
