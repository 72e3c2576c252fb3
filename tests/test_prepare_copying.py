"""Files put into place: the same bytes and times, whole or not there, and the source never written to."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pictures import save
from toonforge.errors import UnreadableImage
from toonforge.prepare.engine.copying import is_partial, place, write_whole


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    picture = save(tmp_path / "source/a.png")
    os.utime(picture, ns=(10**18 + 1, 10**18 + 7))
    return picture


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_bytes_and_times_are_the_sources(picture: Path, tmp_path: Path, link: bool, there: bool) -> None:
    target = tmp_path / "out/deep/a.png"
    if there:
        save(target, seed=9)
    for _ in range(2):
        place(picture, target, link)
        assert target.read_bytes() == picture.read_bytes()
        assert target.stat().st_mtime_ns == 10**18 + 7
        assert os.path.samefile(target, picture) == link
        assert names(target.parent) == ["a.png"]


def test_a_copy_replaces_a_link_and_never_writes_through_it(picture: Path, tmp_path: Path) -> None:
    other, before = save(tmp_path / "source/b.png", seed=5), picture.read_bytes()
    target = tmp_path / "out/a.png"
    for make in (os.link, os.symlink):
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        make(picture, target)
        place(other, target, link=False)
        assert target.read_bytes() == other.read_bytes() and not target.is_symlink()
        assert picture.read_bytes() == before
        target.unlink()
        make(picture, target)
        write_whole(target, b"new")
        assert picture.read_bytes() == before


def test_what_a_killed_call_left_is_not_written_through(picture: Path, tmp_path: Path) -> None:
    before = picture.read_bytes()
    (tmp_path / "out").mkdir()
    os.link(picture, tmp_path / "out/.b.png.partial")
    write_whole(tmp_path / "out/b.png", b"new")
    assert picture.read_bytes() == before and names(tmp_path / "out") == ["b.png"]


@pytest.mark.parametrize("link", [False, True])
def test_a_symbolic_link_is_followed(picture: Path, tmp_path: Path, link: bool) -> None:
    (tmp_path / "link.png").symlink_to(picture)
    place(tmp_path / "link.png", tmp_path / "out/a.png", link)
    assert not (tmp_path / "out/a.png").is_symlink()
    assert (tmp_path / "out/a.png").read_bytes() == picture.read_bytes()


def test_where_there_are_no_hard_links_it_copies(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", across)
    place(picture, tmp_path / "out/a.png", link=True)
    assert (tmp_path / "out/a.png").read_bytes() == picture.read_bytes()


@pytest.mark.parametrize(
    "write",
    [
        lambda source, target: place(source, target, link=False),
        lambda source, target: place(source, target, link=True),
        lambda source, target: write_whole(target, b"data"),
    ],
    ids=["copy", "link", "bytes"],
)
def test_the_longest_names_can_be_written(picture: Path, tmp_path: Path, write: Callable[[Path, Path], None]) -> None:
    longest = tmp_path / "out" / ("😀" * 62 + "abc.png")
    assert len(os.fsencode(longest.name)) == 255
    write(picture, longest)
    assert names(tmp_path / "out") == [longest.name]


@pytest.mark.parametrize("kind", ["absent", "dangling", "folder"])
def test_a_source_that_cannot_be_read_is_unreadable_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "a.png"
    if kind == "dangling":
        source.symlink_to("nowhere")
    if kind == "folder":
        source.mkdir()
    for link in (False, True):
        with pytest.raises(UnreadableImage):
            place(source, tmp_path / "out/a.png", link)
        assert names(tmp_path / "out") == []


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out/a.png"
    write_whole(target, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old" and names(target.parent) == ["a.png"]


def test_parts_are_known_by_their_names() -> None:
    assert is_partial(".a.png.partial")
    assert not any(map(is_partial, ["a.png", ".a.png", "a.partial"]))
