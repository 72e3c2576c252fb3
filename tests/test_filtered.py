"""Filtered fields: what recipes may write, which style a picture gets, and that all fields of an item are cut alike."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.pictures import fill, gradient, save
from toonforge.components import fields_of
from toonforge.data import (
    STYLES,
    CartoonizedFolder,
    PairedFolders,
    PictureSource,
    UnpairedFolders,
    cartoonize,
    smooth_edges,
)
from toonforge.data.filters.fields import FILTERS
from toonforge.data.transforms import to_tensor
from toonforge.errors import DataError, FieldError, RecipeError, ToonforgeError
from toonforge.recipe import dump, load
from toonforge.recipe.expr import Expr


def texts(**fields: str) -> dict[str, Expr]:
    return {field: Expr.parse(text) for field, text in fields.items()}


def folder(root: Path, **filtered: str) -> UnpairedFolders:
    """A folder of pictures that are as large as they are loaded."""
    fill(root / "photo", 9, size=24)
    return UnpairedFolders(
        fields={"photo": str(root / "photo")},
        filtered=texts(**filtered),
        image_size=16,
        load_size=24,
        validation=0.3,
    )


def cuts(picture: np.ndarray, size: int = 16) -> list[torch.Tensor]:
    """Every square of a picture, as it is and mirrored, in a fixed order."""
    whole = to_tensor(picture)
    rows, columns = (length - size + 1 for length in picture.shape[:2])
    squares = [whole[:, t : t + size, u : u + size] for t in range(rows) for u in range(columns)]
    return [square for cut in squares for square in (cut, cut.flip(-1))]


def whole_picture(source: PictureSource, index: int) -> np.ndarray:
    number = int(source.name("photo", index).removeprefix("picture"))
    return gradient(24, 32, number)


def test_every_field_of_an_item_is_cut_alike(tmp_path: Path) -> None:
    data = folder(tmp_path, drawing="cartoonize(photo)", toon="cartoonize(photo, classic)", smooth="smooth_edges(toon)")
    assert data.groups() == {"photo": dict.fromkeys(("photo", "drawing", "toon", "smooth"), (3, 16, 16))}
    source = data.build("train")
    for index in range(3):
        photo = whole_picture(source, index)
        toon = cartoonize(photo, "classic")
        wholes = {"photo": photo, "drawing": cartoonize(photo), "toon": toon, "smooth": smooth_edges(toon)}
        for rng in (None, np.random.default_rng(index)):
            item = source.item("photo", index, rng)
            places = [
                {n for n, cut in enumerate(cuts(whole)) if torch.equal(cut, item[field])}
                for field, whole in wholes.items()
            ]
            assert set.intersection(*places)


def test_a_filtered_field_changes_nothing_of_the_others(tmp_path: Path) -> None:
    plain = folder(tmp_path).build("train")
    filtered = folder(tmp_path, toon="cartoonize(photo, classic, soft, muted, bold)").build("train")
    for seed in range(5):
        one, two = (source.item("photo", 0, np.random.default_rng(seed))["photo"] for source in (plain, filtered))
        assert torch.equal(one, two)


def style_of(source: PictureSource, index: int, styles: list[str], rng: Any) -> str:
    item = source.item("photo", index, rng)["toon"]
    photo = whole_picture(source, index)
    return next(s for s in styles if any(torch.equal(cut, item) for cut in cuts(cartoonize(photo, s))))


def test_styles_take_turns_without_a_generator_and_are_drawn_with_one(tmp_path: Path) -> None:
    styles = ["classic", "poster", "sketch"]
    source = folder(tmp_path, toon=f"cartoonize(photo, {', '.join(styles)})").build("train")
    assert [style_of(source, index, styles, None) for index in range(5)] == [*styles, *styles[:2]]
    drawn = [style_of(source, 0, styles, np.random.default_rng(seed)) for seed in range(20)]
    assert set(drawn) == set(styles)
    assert drawn == [style_of(source, 0, styles, np.random.default_rng(seed)) for seed in range(20)]


def test_styles_are_kept_apart_in_memory(tmp_path: Path) -> None:
    source = folder(tmp_path, one="cartoonize(photo, muted)", two="cartoonize(photo, sketch)").build("train")
    for _ in range(2):
        item = source.item("photo", 0, None)
        assert not torch.equal(item["one"], item["two"])


def test_without_room_each_picture_is_still_read_once_an_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.data import files

    read: list[str] = []
    original = files.read_picture
    monkeypatch.setattr(files, "read_picture", lambda path, **how: (read.append(path), original(path, **how))[1])
    source = folder(tmp_path, toon="cartoonize(photo)", smooth="smooth_edges(toon)").build("train")
    source._cache.room = 0
    source.item("photo", 0, None)
    source.item("photo", 0, None)
    assert len(read) == 2


def test_fields_of_other_groups_are_left_alone(tmp_path: Path) -> None:
    for name in ("photo", "anime"):
        fill(tmp_path / name, 4)
    data = UnpairedFolders(
        fields={name: str(tmp_path / name) for name in ("photo", "anime")},
        filtered=texts(smooth="smooth_edges(anime)"),
        image_size=16,
    )
    assert {group: list(fields) for group, fields in data.groups().items()} == {
        "photo": ["photo"],
        "anime": ["anime", "smooth"],
    }
    source = data.build("train")
    assert {group: list(source.item(group, 0, None)) for group in source.sizes} == {
        "photo": ["photo"],
        "anime": ["anime", "smooth"],
    }


def test_of_a_pair_either_side_can_be_filtered(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"photo/{number}.png", 24, 32)
        save(tmp_path / f"anime/{number}.png", 48, 64)
    data = PairedFolders(
        fields={name: str(tmp_path / name) for name in ("photo", "anime")},
        filtered=texts(smooth="smooth_edges(anime)"),
        image_size=16,
    )
    item = data.build("train").item("pair", 0, None)
    assert {field: tuple(value.shape) for field, value in item.items()} == data.groups()["pair"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("photo", "write cartoonize(photo)"),
        ("cartonize(photo)", "did you mean 'cartoonize'"),
        ("blur(photo, 2)", "one of the filters cartoonize, smooth_edges"),
        ("cartoonize()", "cartoonize(photo)"),
        ("cartoonize(photo, 2)", "a field and names of styles"),
        ("cartoonize(2)", "a field and names of styles"),
        ("smooth_edges(cartoonize(photo))", "give the inner one a field of its own"),
        ("cartoonize(photo, clasic)", "did you mean 'classic'"),
        ("cartoonize(photo, soft, muted, soft)", "each style once, not soft 2 times"),
        ("cartoonize(photo, watercolour)", "styles among drawn, inked, classic, soft, muted, bold, poster, sketch"),
        ("smooth_edges(photo, soft)", "smooth_edges(photo), which has no styles"),
        ("cartoonize(phto)", "did you mean 'photo'"),
        ("cartoonize(anime)", "the pictures of one of photo"),
        ("cartoonize(later)", "put later above toon"),
    ],
)
def test_what_is_no_filter_of_a_field_is_refused(text: str, words: str) -> None:
    with pytest.raises(FieldError) as caught:
        UnpairedFolders(fields={"photo": "photo"}, filtered=texts(toon=text, later="cartoonize(photo)"))
    error = caught.value
    assert error.field == "filtered.toon"
    assert words in f"{error.expected} {error.hint}"


@pytest.mark.parametrize("name", ["photo", "my drawing", ""])
def test_names_that_are_taken_or_none_are_refused(name: str) -> None:
    with pytest.raises(FieldError, match="a name"):
        UnpairedFolders(fields={"photo": "photo"}, filtered={name: Expr.parse("cartoonize(photo)")})


def test_without_opencv_the_data_set_says_so_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder(tmp_path, toon="cartoonize(photo)")
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(ToonforgeError, match=r"toonforge\[filters\]"):
        data.build("train")
    folder(tmp_path).build("train")


RECIPE = """
name = "filtered"
[data]
type = "unpaired-folders"
fields = { photo = "photo", anime = "anime" }
image_size = 32
filtered = { drawing = "cartoonize(photo)", cartoon = "cartoonize(photo, classic, soft)" }
[generators]
G = { type = "cyclegan/unet", levels = 3, width = 4 }
[phases.generator]
updates = ["G"]
[phases.generator.losses]
like = { type = "l1", input = "G(photo)", target = "cartoon" }
[train]
steps = 2
"""


def written(root: Path, text: str) -> Path:
    path = root / "recipe.toml"
    path.write_text(text)
    return path


def test_recipes_write_filtered_fields_as_expressions(tmp_path: Path) -> None:
    recipe = load(written(tmp_path, RECIPE))
    assert recipe.data.filtered == texts(drawing="cartoonize(photo)", cartoon="cartoonize(photo, classic, soft)")
    assert list(recipe.data.groups()["photo"]) == ["photo", "drawing", "cartoon"]


def test_a_recipe_that_extends_another_adds_and_replaces_filtered_fields(tmp_path: Path) -> None:
    written(tmp_path, RECIPE)
    child = tmp_path / "child.toml"
    child.write_text(
        'extends = "recipe.toml"\n[data.filtered]\ncartoon = "cartoonize(photo, sketch)"\nsmooth = "smooth_edges(anime)"\n'
    )
    filtered = load(child, ['data.filtered.drawing="cartoonize(anime, poster)"']).data.filtered
    assert filtered == texts(
        drawing="cartoonize(anime, poster)", cartoon="cartoonize(photo, sketch)", smooth="smooth_edges(anime)"
    )


def test_a_resolved_recipe_holds_the_same_filtered_fields(tmp_path: Path) -> None:
    recipe = load(written(tmp_path, RECIPE))
    again = load(written(tmp_path, dump(recipe)))
    assert again.data == recipe.data and dump(again) == dump(recipe)


@pytest.mark.parametrize(
    ("wrong", "key", "line", "words"),
    [
        ('"cartoonize(photo, clasic)"', "data.filtered.cartoon", 7, "did you mean 'classic'?"),
        ('"cartoonize(phot)"', "data.filtered.cartoon", 7, "did you mean 'photo'?"),
        ('"cartoonize(photo"', "data.filtered.cartoon", 7, "before the end"),
        ("3", "data.filtered.cartoon", 7, "an expression in quotes"),
    ],
)
def test_mistakes_in_a_recipe_are_reported_at_their_line(
    tmp_path: Path, wrong: str, key: str, line: int, words: str
) -> None:
    text = RECIPE.replace('"cartoonize(photo, classic, soft)"', wrong)
    with pytest.raises(RecipeError) as caught:
        load(written(tmp_path, text))
    problem = caught.value.problems[0]
    assert problem.where is not None
    assert (problem.key, problem.where.line) == (key, line)
    assert words in str(problem)


def test_the_styles_that_recipes_may_name_are_those_that_there_are() -> None:
    kind = fields_of(CartoonizedFolder)["styles"][0]
    assert typing.get_args(typing.get_args(kind)[0]) == tuple(STYLES)
    assert FILTERS["cartoonize"] is STYLES


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"styles": ()}, "styles"),
        ({"styles": ("soft", "soft")}, "styles"),
        ({"styles": ("watercolour",)}, "styles"),
        ({"cartoon_field": "photo"}, "cartoon_field"),
        ({"photo_field": "my photo"}, "photo_field"),
        ({"validation": 0.5, "test": 0.5}, "test"),
        ({"filtered": texts(cartoon="cartoonize(photo)")}, "filtered.cartoon"),
    ],
)
def test_impossible_settings_of_a_cartoonized_folder_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(FieldError) as caught:
        CartoonizedFolder(folder="photos", **settings)
    assert caught.value.field == key


def test_a_cartoonized_folder_is_cut_into_60_20_20_and_other_styles_move_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 100, size=8)
    parts = []
    for styles in (("classic", "soft"), ("sketch",)):
        data = CartoonizedFolder(folder=str(tmp_path), styles=styles, image_size=8)
        sources = [data.build(split) for split in ("train", "validation", "test")]
        parts.append([[source.name("pair", i) for i in range(source.sizes["pair"])] for source in sources])
    assert parts[0] == parts[1]
    sizes = [len(part) for part in parts[0]]
    assert sum(sizes) == 100 and sizes[0] > 45 and min(sizes[1:]) > 10
    assert len(set().union(*map(set, parts[0]))) == 100


def test_a_cartoonized_folder_names_the_folder_that_will_not_do(tmp_path: Path) -> None:
    save(tmp_path / "one/a.png")
    for name, words in {"none": "does not exist", "one": "too few pictures"}.items():
        with pytest.raises(DataError, match=words) as caught:
            CartoonizedFolder(folder=str(tmp_path / name)).verify()
        assert [problem.key for problem in caught.value.problems] == ["data.folder"]
