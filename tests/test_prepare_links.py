"""Links that lie in OUT: whatever verb works there, no byte elsewhere changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import toonforge.prepare as prepare
from tests.pictures import fill, save
from toonforge.errors import DataError


def _sources(root: Path) -> None:
    for number in range(4):
        save(root / f"photos/{number}.png", 60, 70, seed=11 * number)
        save(root / f"toons/{number}.png", 60, 70, seed=11 * number + 5)


VERBS: dict[str, Callable[..., Any]] = {
    "cartoonize": lambda root, **more: prepare.cartoonize(root / "photos", root / "out", **more),
    "smooth_edges": lambda root, **more: prepare.smooth_edges(root / "photos", root / "out", **more),
    "filter": lambda root, **more: prepare.filter_pictures(root / "photos", root / "out", **more),
    "dedupe": lambda root, **more: prepare.dedupe(root / "photos", root / "out", **more),
    "split": lambda root, **more: prepare.split([root / "photos", root / "toons"], root / "out", **more),
    "pair": lambda root, **more: prepare.pair(root / "photos", root / "toons", root / "out", **more),
    "pair side by side": lambda root, **more: prepare.pair(
        root / "photos", root / "toons", root / "out", side_by_side=True, **more
    ),
    "inspect": lambda root, **more: prepare.inspect(root / "photos", root / "out", **more),
}


def _states(folder: Path) -> dict[str, tuple[bytes, int]]:
    """What is in the files of a folder, and when they were changed."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


@pytest.mark.parametrize("make", [os.symlink, os.link], ids=["symbolic", "hard"])
@pytest.mark.parametrize("verb", VERBS)
def test_no_link_to_a_file_is_written_through(tmp_path: Path, verb: str, make: Callable[..., None]) -> None:
    _sources(tmp_path)
    VERBS[verb](tmp_path)
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    files = [file for file in sorted(out.rglob("*")) if file.is_file()]
    for number, file in enumerate(files):  # all that it wrote, and all places that it writes at on the way there
        there = elsewhere / f"{number}"
        shutil.copy2(file, there)
        file.unlink()
        make(there, file)
        for name in (f".{file.name}.partial", f".{file.name}.lock"):
            (elsewhere / f"{number}{name}").write_bytes(b"precious")
            make(elsewhere / f"{number}{name}", file.with_name(name))
    before = _states(elsewhere)
    for number in range(3):
        save(tmp_path / "photos/new.png", 60 + number, 70, seed=90 + number)
        save(tmp_path / "toons/new.png", 60 + number, 70, seed=95 + number)
        if number:  # before, all that was in the manifest holds, and is appended to
            (tmp_path / "photos/0.png").unlink(missing_ok=True)
            os.utime(tmp_path / "photos/1.png", ns=(number, number))
            os.utime(tmp_path / "toons/2.png", ns=(number, number))
        assert not VERBS[verb](tmp_path, force=number == 2).stopped
        assert _states(elsewhere) == before


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("verb", VERBS)
def test_a_link_to_a_folder_is_refused(tmp_path: Path, verb: str, force: bool) -> None:
    _sources(tmp_path)
    VERBS[verb](tmp_path)
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "out/kept-elsewhere"
    fill(elsewhere, 2)
    link.symlink_to(elsewhere)
    before = _states(elsewhere), _states(tmp_path / "out")
    (tmp_path / "toons/2.png").touch()
    with pytest.raises(DataError, match="did not write") as caught:
        VERBS[verb](tmp_path, force=force)
    assert "a link to a folder elsewhere" in str(caught.value.problems[0].found)
    assert (_states(elsewhere), _states(tmp_path / "out")) == before
