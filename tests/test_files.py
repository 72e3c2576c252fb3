"""Files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from toonforge.files import replacing, save_picture, write_atomic


def test_a_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines(["new", None])  # type: ignore[list-item]
    assert path.read_text() == "old"
    write_atomic(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["a.txt", "a.png"])
def test_nothing_is_written_through_a_link_that_waits_in_the_folder(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / f".{name}.partial").symlink_to(victim)
    if name.endswith(".png"):
        save_picture(Image.new("RGB", (2, 2)), out / name)
    else:
        write_atomic(out / name, "text")
    assert victim.read_text() == "mine"
    assert [entry.name for entry in out.iterdir()] == [name] and not (out / name).is_symlink()


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    for name, kind in {"a.png": "PNG", "b.JPG": "JPEG", "c.webp": "WEBP"}.items():
        with Image.open(save_picture(Image.new("RGB", (2, 2)), tmp_path / "new" / name)) as picture:
            assert picture.format == kind
