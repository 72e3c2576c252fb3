"""What no expression uses is neither read nor filtered, and what is used stays what it would be anyway."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pictures import save
from toonforge.components import Narrows
from toonforge.data import PairedFolders, Synthetic, UnpairedFolders, files
from toonforge.data.filters.fields import FILTERS
from toonforge.data.used import only_used
from toonforge.recipe.expr import Expr


def unpaired(tmp_path: Path, **filtered: str) -> UnpairedFolders:
    for field in ("photo", "anime"):
        for number in range(3):
            save(tmp_path / field / f"{number}.png", 40, 48, seed=number)
    return UnpairedFolders(
        fields={field: str(tmp_path / field) for field in ("photo", "anime")},
        validation_fields={field: str(tmp_path / field) for field in ("photo", "anime")},
        image_size=32,
        filtered={field: Expr.parse(text) for field, text in filtered.items()},
    )


def test_groups_without_a_used_field_are_not_there(tmp_path: Path) -> None:
    data = unpaired(tmp_path)
    source = only_used(data.build("train"), data.groups(), {"anime"})
    assert dict(source.sizes) == {"anime": 3}
    assert source.name("anime", 1) == "1"


def test_unused_filters_do_not_run_and_used_fields_stay_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = unpaired(
        tmp_path,
        held="cartoonize(photo, poster, sketch)",
        toon="cartoonize(photo, classic, muted)",
        top="smooth_edges(toon)",
    )
    whole = data.build("train")
    expected = [whole.item("photo", index, np.random.default_rng(index)) for index in range(3)]
    ran: list[str] = []
    for name in ("poster", "sketch", "classic", "muted"):
        filter_, styles = FILTERS["cartoonize"][name], dict(FILTERS["cartoonize"])
        styles[name] = lambda picture, name=name, filter_=filter_: (ran.append(name), filter_(picture))[1]
        monkeypatch.setitem(FILTERS, "cartoonize", styles)  # type: ignore[arg-type]
    source = only_used(data.build("train"), data.groups(), {"top"})
    for index, item in enumerate(expected):
        narrowed = source.item("photo", index, np.random.default_rng(index))
        assert set(narrowed) == {"top"}
        assert torch.equal(narrowed["top"], item["top"]), "a style or a cut was drawn otherwise"
    assert ran and not {"poster", "sketch"} & set(ran)


def test_the_second_of_a_pair_is_cut_as_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for side, size in (("cartoon", 60), ("photo", 90)):
        save(tmp_path / side / "a.png", size, 2 * size)
    sides = {side: str(tmp_path / side) for side in ("cartoon", "photo")}
    data = PairedFolders(fields=sides, validation_fields=sides, image_size=32)
    whole = data.build("train").item("pair", 0, np.random.default_rng(5))
    for used in ({"photo"}, {"cartoon"}):
        item = only_used(data.build("train"), data.groups(), used).item("pair", 0, np.random.default_rng(5))
        assert set(item) == used and all(torch.equal(item[field], whole[field]) for field in used)
    read: list[str] = []
    original = files.read_picture
    monkeypatch.setattr(files, "read_picture", lambda path, **how: (read.append(path), original(path, **how))[1])
    only_used(data.build("train"), data.groups(), {"cartoon"}).item("pair", 0, None)
    assert [Path(path).parent.name for path in read] == ["cartoon"]


def test_a_source_that_cannot_narrow_keeps_its_fields() -> None:
    data = Synthetic(fields={"pair": ("a", "b"), "more": ("c",)}, image_size=16)
    source = data.build("train")
    assert not isinstance(source, Narrows)
    narrowed = only_used(source, data.groups(), {"b"})
    assert dict(narrowed.sizes) == {"pair": 16} and set(narrowed.item("pair", 0, None)) == {"a", "b"}
    assert only_used(source, data.groups(), set()) is source
