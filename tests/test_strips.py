"""The grid's strips: one file a column, whole or not there, and equal where nothing changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.measured import GROUPS, PAIRS, SHAPE, Reads, Scale, inference
from toonforge.data.transforms import to_pictures
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.validation import grid
from toonforge.validation.grid import Shown, save_strips, translate_fixed
from toonforge.validation.items import Items


class Gray(nn.Module):
    """One channel of three."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean(1, keepdim=True)


def translated(
    translations: Mapping[str, str],
    networks: Mapping[str, nn.Module] | None = None,
    groups: Mapping[str, Mapping[str, object]] = GROUPS,
    source: Reads | None = None,
    count: int = 10,
) -> list[Shown]:
    nets = networks or {"G": Scale(1.0), "F": Scale(-1.0)}
    items = Items(
        source=source or Reads(groups),
        groups=groups,
        device=torch.device("cpu"),
        dtype=torch.float32,
        skipped=lambda *_: None,
    )
    exprs = {target: Expr.parse(text) for target, text in translations.items()}
    return [*translate_fixed(exprs, Graph(nets, {}), items, inference(nets), count)]


def read(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "strips.json").read_text("utf-8"))["translations"]
    return found


BOTH = {"anime": "G(photo)", "photo": "F(anime)"}


def test_strips_show_what_they_say(tmp_path: Path) -> None:
    (shown, _) = translated(BOTH)
    folder = save_strips([shown], tmp_path / "step")
    (told,) = read(folder)
    assert told == {
        "target": "anime",
        "field": "photo",
        "names": [f"photo-{i}" for i in range(10)],
        "size": [16, 16],
        "columns": [
            {"stage": "input", "label": "photo", "file": "anime-input.jpg"},
            {"stage": "output", "label": "anime", "file": "anime-output.jpg"},
            {"stage": "reconstruction", "label": "photo again", "file": "anime-reconstruction.jpg"},
        ],
    }
    pictures = {column["stage"]: Image.open(folder / column["file"]) for column in told["columns"]}
    assert all(picture.size == (16, 160) for picture in pictures.values())
    for stage, tensor in (("input", shown.input), ("output", shown.output)):
        wanted = np.concatenate(to_pictures(tensor)).astype(float)
        assert np.abs(np.asarray(pictures[stage]).astype(float) - wanted).mean() < 12  # noise, and JPEG
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*(c["file"] for c in told["columns"]), "strips.json"]
    )


def test_pairs_show_what_the_output_should_be(tmp_path: Path) -> None:
    (shown,) = translated({"anime": "G(photo)"}, groups=PAIRS)
    assert [(column.stage, column.label) for column in shown.columns] == [
        ("input", "photo"),
        ("output", "anime"),
        ("target", "anime"),
    ]


def test_a_translation_of_other_pictures_is_no_way_back() -> None:
    groups = {**GROUPS, "drawn": {"drawn": SHAPE}}
    shown = translated({"anime": "G(photo)", "photo": "F(drawn)"}, groups=groups)
    assert [[column.stage for column in each.columns] for each in shown] == [["input", "output"]] * 2


def test_inputs_and_targets_are_the_same_bytes_at_every_step(tmp_path: Path) -> None:
    for step, factor in enumerate((1.0, 0.5)):
        save_strips(translated({"anime": "G(photo)"}, {"G": Scale(factor)}, PAIRS), tmp_path / str(step))
    same = {
        stage: len({(tmp_path / step / f"anime-{stage}.jpg").read_bytes() for step in "01"}) == 1
        for stage in ("input", "output", "target")
    }
    assert same == {"input": True, "output": False, "target": True}


def test_what_watchers_get_is_rgb_in_range_and_in_the_order_of_the_names() -> None:
    source = Reads(GROUPS, broken=("photo-2",))
    (shown,) = translated({"anime": "G(photo)"}, {"G": Gray()}, source=source, count=6)
    assert shown.names == [f"photo-{i}" for i in (0, 1, 3, 4, 5)]
    assert shown.input.shape == shown.output.shape == (5, *SHAPE)
    assert torch.equal(shown.input[2], source.item("photo", 3, None)["photo"])
    assert all(picture.shape == (16, 16, 3) for column in shown.columns for picture in column.pictures)


def test_of_more_pictures_than_a_jpeg_holds_the_first_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert grid.TALLEST <= 65_500
    monkeypatch.setattr(grid, "TALLEST", 16 * 4 + 15)
    save_strips(translated(BOTH), tmp_path / "step")
    for told in read(tmp_path / "step"):
        assert len(told["names"]) == 4
        for column in told["columns"]:
            with Image.open(tmp_path / "step" / column["file"]) as strip:
                assert strip.size == (16, 64)


def test_pictures_as_tall_as_a_jpeg_can_be_are_saved(tmp_path: Path) -> None:
    tall = np.zeros((30_000, 4, 3), np.uint8)
    column = grid.Column(stage="input", label="photo", pictures=[tall] * 3)
    nothing = torch.zeros(0)
    shown = Shown(target="a", field="photo", names=list("abc"), columns=[column], input=nothing, output=nothing)
    save_strips([shown], tmp_path / "step")
    with Image.open(tmp_path / "step" / "a-input.jpg") as strip:
        assert strip.size == (4, 60_000)


def test_an_output_of_another_size_is_shown_at_the_inputs(tmp_path: Path) -> None:
    save_strips(translated({"anime": "G(photo)"}, {"G": nn.Upsample(scale_factor=2)}), tmp_path / "step")
    with Image.open(tmp_path / "step" / "anime-output.jpg") as strip:
        assert strip.size == (16, 160)


def test_values_that_are_no_numbers_are_drawn_black(tmp_path: Path) -> None:
    (shown,) = translated({"anime": "G(photo)"}, {"G": Scale(float("nan"))})
    assert all((picture == 0).all() for picture in shown.columns[1].pictures)


def test_nothing_is_shown_of_a_part_that_cannot_be_read() -> None:
    broken = tuple(f"photo-{i}" for i in range(11))
    shown = translated(BOTH, source=Reads(GROUPS, broken=broken))
    assert [each.target for each in shown] == ["photo"]


def test_a_folder_is_replaced_whole_and_one_that_fails_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, folder = translated(BOTH), tmp_path / "step"
    save_strips(shown[:1], folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(grid, "write_atomic", full)
        with pytest.raises(OSError):
            save_strips(shown[1:], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    save_strips(shown[1:], folder)
    assert [told["target"] for told in read(folder)] == ["photo"]
    assert [path.name for path in tmp_path.iterdir()] == ["step"]


def test_the_old_folder_goes_when_the_new_one_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, folder, there = translated(BOTH), tmp_path / "step", []
    save_strips(shown[:1], folder)
    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda path: (remove(path), there.append(folder.is_dir())))
    save_strips(shown[1:], folder)
    assert there == [True] and [told["target"] for told in read(folder)] == ["photo"]


def test_what_stands_in_the_folders_place_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine")
    (tmp_path / "step").symlink_to(elsewhere)
    save_strips(translated(BOTH), tmp_path / "step")
    assert not (tmp_path / "step").is_symlink() and [path.name for path in elsewhere.iterdir()] == ["mine.txt"]


def test_names_of_any_letters_are_written(tmp_path: Path) -> None:
    (shown, _) = translated(BOTH, count=1)
    odd = 'Ä\udc80\n"猫'
    one = Shown(target="a", field="b", names=[odd], columns=shown.columns[:1], input=shown.input, output=shown.output)
    assert read(save_strips([one], tmp_path / "step"))[0]["names"] == [odd]
