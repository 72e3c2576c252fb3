"""Folders of pictures as data sets: what they yield, how they are split, and what is said of those that will not do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import fill, parted, save
from toonforge.data import CartoonizedFolder, PairedFolders, UnpairedFolders
from toonforge.data.split import SPLITS
from toonforge.errors import DataError, FieldError, UnreadableImage
from toonforge.recipe.expr import Expr
from toonforge.testing import DatasetSuite


def unpaired(root: Path, **settings: Any) -> UnpairedFolders:
    fields = {"photo": str(root / "photo"), "anime": str(root / "anime")}
    return UnpairedFolders(**{"fields": fields, "image_size": 16, "validation": 0.3, **settings})


def paired(root: Path, **settings: Any) -> PairedFolders:
    fields = {"photo": str(root / "photo"), "anime": str(root / "anime")}
    return PairedFolders(**{"fields": fields, "image_size": 16, **settings})


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    fill(tmp_path / "photo", 9)
    fill(tmp_path / "anime", 6)
    return tmp_path


class TestUnpairedFolders(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, folders: Path) -> None:
        type(self).component = unpaired(folders)


class TestPairedFolders(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        fill(tmp_path / "photo", 6)
        fill(tmp_path / "anime", 6, ending=".JPG")
        type(self).component = paired(tmp_path)


class TestCartoonizedFolder(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        fill(tmp_path / "faces", 9)
        smooth = {"smooth": Expr.parse("smooth_edges(toon)")}
        type(self).component = CartoonizedFolder(
            folder=str(tmp_path / "faces"),
            cartoon_field="toon",
            styles=("classic", "soft", "muted", "bold"),
            image_size=16,
            filtered=smooth,
        )


def messages(error: DataError) -> list[str]:
    return [f"{problem.key}: {problem.message}" for problem in error.problems]


shares = st.sampled_from([0.0, 0.01, 0.2, 0.45])


@given(st.lists(st.text(max_size=8), min_size=3, max_size=40, unique=True), shares, shares, st.integers(0, 99))
def test_the_parts_are_disjoint_and_none_that_has_a_share_is_empty(
    given_names: list[str], validation: float, test: float, seed: int
) -> None:
    parts = parted(given_names, validation=validation, test=test, seed=seed)
    assert sorted(name for part in parts.values() for name in part) == sorted(given_names)
    assert parts["train"]
    assert bool(parts["validation"]) == (validation > 0) and bool(parts["test"]) == (test > 0)
    assert parts == parted(reversed(given_names), validation=validation, test=test, seed=seed)


def test_adding_files_moves_none() -> None:
    before = [f"picture{n}" for n in range(300)]
    after = [*before, *(f"new{n}" for n in range(300))]
    one, two = (parted(given_names, validation=0.1, test=0.3, seed=0) for given_names in (before, after))
    assert all(one[part] == two[part] & set(before) for part in SPLITS)


def test_another_share_for_testing_moves_nothing_to_or_from_validation() -> None:
    given_names = [f"{n}" for n in range(200)]
    held = [parted(given_names, validation=0.2, test=test, seed=0)["validation"] for test in (0, 0.2, 0.7)]
    assert held[0] == held[1] == held[2]


def test_the_shares_are_about_what_was_asked() -> None:
    parts = parted([f"{n}" for n in range(2000)], validation=0.1, test=0.3, seed=0)
    assert 0.07 < len(parts["validation"]) / 2000 < 0.13
    assert 0.26 < len(parts["test"]) / 2000 < 0.34


def test_a_split_seed_makes_another_split(folders: Path) -> None:
    def held(seed: int) -> list[str]:
        source = unpaired(folders, split_seed=seed).build("validation")
        return [source.name("photo", i) for i in range(source.sizes["photo"])]

    assert len({tuple(held(seed)) for seed in range(5)}) > 1


def test_validation_folders_hold_nothing_out(folders: Path) -> None:
    fill(folders / "held/photo", 2, prefix="other")
    fill(folders / "held/anime", 1, prefix="other")
    given = {field: str(folders / "held" / field) for field in ("photo", "anime")}
    data = unpaired(folders, validation_fields=given)
    data.verify()
    assert dict(data.build("train").sizes) == {"photo": 9, "anime": 6}
    assert dict(data.build("validation").sizes) == {"photo": 2, "anime": 1}


def test_folders_below_are_searched_and_named(tmp_path: Path) -> None:
    for name in ("photo/summer/a.png", "photo/a.png", "photo/b.JPG", "anime/a.png", "anime/b.png"):
        save(tmp_path / name)
    found: set[str] = set()
    for split in ("train", "validation"):
        source = unpaired(tmp_path).build(split)
        found |= {source.name("photo", index) for index in range(source.sizes["photo"])}
    assert found == {"summer--a", "a", "b"}


def test_relative_folders_are_looked_for_in_the_current_one(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders)
    data = UnpairedFolders(fields={"photo": "photo", "anime": "anime"})
    data.verify()
    with pytest.raises(DataError, match="looked for in"):
        UnpairedFolders(fields={"photo": "fotos"}).verify()


def test_every_bad_folder_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/notes.txt").write_text("no picture")
    (tmp_path / "file").write_text("no folder")
    fields = {name: str(tmp_path / name) for name in ("missing", "empty", "texts", "file")}
    with pytest.raises(DataError) as caught:
        UnpairedFolders(fields=fields).verify()
    assert [problem.key for problem in caught.value.problems] == [f"data.fields.{name}" for name in fields]
    text = str(caught.value)
    for words in ("does not exist", "holds no pictures", "1 entries, none of them a picture", "is a file", ".webp"):
        assert words in text


def test_one_picture_cannot_be_split(tmp_path: Path) -> None:
    fill(tmp_path / "photo", 1)
    fill(tmp_path / "anime", 3)
    with pytest.raises(DataError, match="too few pictures") as caught:
        unpaired(tmp_path).verify()
    assert [problem.key for problem in caught.value.problems] == ["data.fields.photo"]
    for split in ("train", "validation"):
        with pytest.raises(DataError, match="too few pictures"):
            unpaired(tmp_path).build(split)


def test_verify_decodes_nothing(tmp_path: Path) -> None:
    for name in ("photo/a.jpg", "photo/b.jpg", "anime/a.jpg", "anime/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no picture")
    unpaired(tmp_path).verify()
    with pytest.raises(UnreadableImage, match="no picture of a known kind"):
        unpaired(tmp_path).build("train").item("photo", 0, None)


def test_the_sides_of_a_pair_are_cut_alike(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"photo/{number}.png", 40, 60, number)
        save(tmp_path / f"anime/{number}.bmp", 40, 60, number)
    source = paired(tmp_path).build("train")
    for index in range(source.sizes["pair"]):
        for seed in range(5):
            item = source.item("pair", index, np.random.default_rng(seed))
            assert torch.equal(item["photo"], item["anime"])


def test_the_sides_of_a_pair_may_differ_in_size_but_not_in_aspect(tmp_path: Path) -> None:
    for name, (height, width) in {"a": (80, 120), "b": (20, 30), "c": (30, 20)}.items():
        save(tmp_path / f"photo/{name}.png", 40, 60)
        save(tmp_path / f"anime/{name}.png", height, width)
    source = paired(tmp_path, validation_fields={f: str(tmp_path / f) for f in ("photo", "anime")}).build("train")
    for index in (0, 1):
        assert source.item("pair", index, None)["anime"].shape == (3, 16, 16)
    with pytest.raises(UnreadableImage, match=r"aspect is 0\.67, that of its pair .*c\.png is 1\.50"):
        source.item("pair", 2, None)


@pytest.mark.parametrize("size", [16, 32, 128, 256])
def test_what_pair_takes_for_a_pair_is_one_at_any_size(tmp_path: Path, size: int) -> None:
    for name in "abc":
        save(tmp_path / f"photo/{name}.png", 400, 407)
        save(tmp_path / f"anime/{name}.png", 400, 400)
    source = paired(tmp_path, image_size=size, load_size=size).build("train")
    item = source.item("pair", 0, None)
    assert item["photo"].shape == item["anime"].shape == (3, size, size)


def test_the_second_side_is_scaled_to_the_first(tmp_path: Path) -> None:
    """With a short side of 30 pixels one side is 31 high, the other 30: wherever the cut is, both sides have it."""
    for name in "abc":
        save(tmp_path / f"photo/{name}.png", 62, 60)
        save(tmp_path / f"anime/{name}.png", 60, 60)
    source = paired(tmp_path, image_size=30, load_size=30).build("train")
    for seed in range(6):
        item = source.item("pair", 0, np.random.default_rng(seed))
        assert item["photo"].shape == item["anime"].shape == (3, 30, 30)


def test_pairs_that_lack_a_side_or_have_it_twice_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "photo", 9)
    fill(tmp_path / "anime", 2)
    save(tmp_path / "anime/only here.png")
    save(tmp_path / "anime/picture00.jpg")
    with pytest.raises(DataError) as caught:
        paired(tmp_path).verify()
    text = str(caught.value)
    for words in ("'only here'", "have one name", "'picture00'", "7 of 10 names have no picture", "and 2 more"):
        assert words in text


def test_accents_match_however_they_are_written(tmp_path: Path) -> None:
    for name in ("photo/caf\u00e9.png", "anime/cafe\u0301.png", "photo/x.png", "anime/x.png"):
        save(tmp_path / name)
    paired(tmp_path).verify()


@pytest.mark.parametrize(
    "settings",
    [
        {"fields": {}},
        {"fields": {"my photo": "photo"}},
        {"load_size": 8},
        {"image_size": 0},
        {"validation": 0.0},
        {"validation": 1.0},
        {"test": -0.1},
        {"test": 0.7},
        {"validation_fields": {"photo": "photo"}},
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        unpaired(tmp_path, **settings)


def test_one_field_makes_no_pair() -> None:
    with pytest.raises(FieldError, match="at least two"):
        PairedFolders(fields={"photo": "photo"})


def test_tiny_is_small_and_still_valid() -> None:
    small = UnpairedFolders(fields={"photo": "photo"}, image_size=512, load_size=600).tiny()
    assert attrs.asdict(small)["image_size"] == 32
    assert small.geometry("train").load_size == 36


def test_a_small_set_is_decoded_once(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.data import files

    read: list[str] = []

    def counting(path: str, **how: Any) -> Any:
        read.append(path)
        return original(path, **how)

    original = files.read_picture
    monkeypatch.setattr(files, "read_picture", counting)
    source = unpaired(folders).build("train")
    items: Sequence[torch.Tensor] = [source.item("photo", 0, None)["photo"] for _ in range(3)]
    assert len(read) == 1
    assert torch.equal(items[0], items[2])
    monkeypatch.setattr(source._cache, "room", 0)
    for _ in range(2):
        source.item("photo", 1, None)
    assert len(read) == 3


def test_part_names_are_checked(folders: Path) -> None:
    with pytest.raises(ValueError, match="unknown split"):
        unpaired(folders).build("exam")


@pytest.mark.parametrize("kind", [unpaired, paired])
def test_a_test_part_is_kept_apart(tmp_path: Path, kind: Any) -> None:
    fill(tmp_path / "photo", 12)
    fill(tmp_path / "anime", 12)
    data = kind(tmp_path, validation=0.3, test=0.3)
    data.verify()
    sources = [data.build(split) for split in SPLITS]
    for group in sources[0].sizes:
        held = [{source.name(group, i) for i in range(source.sizes[group])} for source in sources]
        assert all(held) and len(set().union(*held)) == sum(map(len, held)) == 12
    assert sources[2].item(group, 0, None)["photo" if group == "pair" else group].shape == (3, 16, 16)


def test_validation_folders_leave_the_test_part_where_it_was(folders: Path) -> None:
    fill(folders / "held/photo", 2, prefix="other")
    fill(folders / "held/anime", 1, prefix="other")
    given = {field: str(folders / "held" / field) for field in ("photo", "anime")}
    data = unpaired(folders, validation_fields=given, test=0.4)
    sizes = [data.build(split).sizes["photo"] for split in SPLITS]
    assert sizes[1] == 2 and sizes[2] > 0 and sizes[0] + sizes[2] == 9


def test_without_a_share_there_is_no_test_part(folders: Path) -> None:
    with pytest.raises(DataError, match=r"data\.test: no pictures are held out for testing"):
        unpaired(folders).build("test")


def test_two_pictures_make_no_three_parts(tmp_path: Path) -> None:
    fill(tmp_path / "photo", 2)
    fill(tmp_path / "anime", 3)
    with pytest.raises(DataError, match="too few pictures to hold some out for validation and testing") as caught:
        unpaired(tmp_path, test=0.2).verify()
    assert [problem.expected for problem in caught.value.problems] == ["at least 3"]


def test_messages_name_the_key(folders: Path) -> None:
    with pytest.raises(DataError) as caught:
        unpaired(folders, validation_fields={"photo": "no", "anime": str(folders / "anime")}).verify()
    assert messages(caught.value) == ["data.validation_fields.photo: the folder no does not exist"]


def test_checking_lists_each_folder_once(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.data import folders as module

    original, asked = module.list_folder, []
    monkeypatch.setattr(module, "list_folder", lambda key, folder: (asked.append(key), original(key, folder))[1])
    unpaired(folders, test=0.2).verify()
    assert asked == ["data.fields.photo", "data.fields.anime"]
