"""Sequences of pictures: text kept compactly, files by number, and how much memory a large set takes."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import fill, gradient, parted
from toonforge.data.files import Files, item_name
from toonforge.data.pictures import Texts
from toonforge.data.split import SPLITS, parts_of
from toonforge.errors import UnreadableImage

texts = st.lists(st.text() | st.binary().map(os.fsdecode), max_size=30)


@given(texts, st.data())
def test_texts_come_back_as_they_were(given_texts: list[str], data: st.DataObject) -> None:
    try:
        kept = Texts(given_texts)
    except UnicodeEncodeError:  # lone surrogates that no file name can hold
        return
    assert list(kept) == given_texts
    chosen = data.draw(st.lists(st.integers(0, len(given_texts) - 1), max_size=9)) if given_texts else []
    assert list(kept.only(np.array(chosen, np.int64))) == [given_texts[index] for index in chosen]


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=40), st.integers(0, 3))
def test_the_numbers_of_parts_are_the_sets_of_names(names: list[str], seed: int) -> None:
    names = [name for name in names if name.isprintable()]
    parts = parts_of(names, validation=0.2, test=0.3, seed=seed)
    sets = parted(names, validation=0.2, test=0.3, seed=seed)
    assert all(name in sets[SPLITS[part]] for name, part in zip(names, parts))
    assert sum(map(len, sets.values())) == len(set(names))


def test_files_are_read_by_number(tmp_path: Path) -> None:
    files = Files.below(fill(tmp_path / "photo", 3))
    assert [files.name(index) for index in range(3)] == ["picture00", "picture01", "picture02"]
    assert (files.read(2) == gradient(24, 32, 2)).all()
    last = files.only(np.array([2]))
    assert len(last) == 1 and last.where(0) == str(tmp_path / "photo/picture02.png")


def test_a_changed_file_has_another_version(tmp_path: Path) -> None:
    files = Files.below(fill(tmp_path, 1))
    before = files.version(0)
    assert before == files.version(0)
    os.utime(tmp_path / "picture00.png", ns=(1, 1))
    assert files.version(0) != before
    (tmp_path / "picture00.png").unlink()
    assert str(tmp_path) in files.version(0)
    with pytest.raises(UnreadableImage, match="missing"):
        files.read(0)


def test_names_are_one_piece_and_composed() -> None:
    assert item_name("summer/beach.JPG") == "summer--beach"
    assert item_name("cafe\u0301.png") == item_name("caf\u00e9.webp")
    assert item_name("/pictures/a/b.png", "/pictures") == "a--b"


def test_the_index_of_many_files_is_compact() -> None:
    """72 bytes a file at most, of 40 letters each, parts included; 200 MB a million would be 200 bytes."""
    count = 20_000
    tracemalloc.start()
    files = Files((f"folder-{n % 97:03d}/picture-{n:08d}-of-a-film.jpg" for n in range(count)), "pictures")
    parts = parts_of(map(files.name, range(count)), validation=0.2, test=0.2, seed=0)
    train = files.only(np.flatnonzero(parts == 0))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(train) > count / 2
    assert kept < 80 * count
