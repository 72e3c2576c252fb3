"""Files that are whole or not there."""

from __future__ import annotations

import errno
import io
import itertools
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from toonforge import files
from toonforge.files import (
    append,
    beside,
    copy_whole,
    refuse_special,
    remove_partial,
    replacing,
    save_picture,
    sync,
    write_atomic,
)


def test_a_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines(["new", None])  # type: ignore[list-item]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"
    write_atomic(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["a.txt", "a.png"])
def test_nothing_is_written_through_a_link_that_waits_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(files, "_COUNT", itertools.repeat(3))
    (out / f".{name}.{os.getpid()}-3.partial").symlink_to(victim)
    if name.endswith(".png"):
        save_picture(Image.new("RGB", (2, 2)), out / name)
    else:
        write_atomic(out / name, "text")
    assert victim.read_text() == "mine"
    assert [entry.name for entry in out.iterdir()] == [name] and not (out / name).is_symlink()


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("pipe.png")
    (tmp_path / "null.png").symlink_to(os.devnull)
    before = {entry.name: entry.lstat() for entry in tmp_path.iterdir()}
    for name in before:
        for write in (lambda path: write_atomic(path, "x"), lambda path: save_picture(Image.new("L", (2, 2)), path)):
            with pytest.raises(OSError, match="it is a") as refusal:
                write(tmp_path / name)
            assert refusal.value.filename == str(tmp_path / name)
    assert {entry.name: entry.lstat() for entry in tmp_path.iterdir()} == before


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux where a stream leads")
def test_a_stream_of_the_system_is_refused_even_where_it_leads_to_a_file(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as file, pytest.raises(OSError, match="a device or a pipe"):
        refuse_special(Path(f"/proc/self/fd/{file.fileno()}"))


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    for name, kind in {"a.png": "PNG", "b.JPG": "JPEG", "c.webp": "WEBP"}.items():
        with Image.open(save_picture(Image.new("RGB", (2, 2)), tmp_path / "new" / name)) as picture:
            assert picture.format == kind


class Full(io.FileIO):
    """A file on a disk that has room for some bytes more, of which each write takes a part."""

    room = 0

    def write(self, data: Any) -> int:
        taken = min(Full.room, len(data), 3)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        Full.room -= taken
        return super().write(memoryview(data)[:taken])


@given(lines=st.lists(st.text(max_size=9), max_size=6), room=st.integers(0, 40))
def test_a_line_is_appended_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], room: int
) -> None:
    path, Full.room, written = tmp_path_factory.mktemp("disk") / "log", room, ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode, buffering: Full(str(self), mode.rstrip("b")))
        for line in lines:
            try:
                append(path, line)
                written += line
            except OSError:
                Full.room = room - len(written.encode())  # what was taken back can be written again
                assert len(line.encode()) > Full.room
    assert (path.read_bytes().decode() if lines else "") == written


def test_a_picture_that_does_not_fit_is_an_error_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_picture(Image.new("RGB", (2, 2)), tmp_path / "a.jpg")
    before = path.read_bytes()
    Full.room = 40
    # JPEG, since Pillow hands its file to the system itself, and does not look how much of it was taken.
    monkeypatch.setattr(Path, "open", lambda self, mode: io.BufferedWriter(Full(str(self), mode.rstrip("b"))))
    with pytest.raises(OSError, match="No space left"):
        save_picture(Image.effect_noise((64, 64), 9), path)
    monkeypatch.undo()
    assert path.read_bytes() == before and [entry.name for entry in tmp_path.iterdir()] == ["a.jpg"]


def test_a_file_can_be_copied_onto_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"a\r\nb\xff")
    copy_whole(path, path)
    copy_whole(path, tmp_path / "b.toml")
    assert path.read_bytes() == (tmp_path / "b.toml").read_bytes() == b"a\r\nb\xff"


def test_only_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/kept").write_text("")
    (tmp_path / ".strips.7-0.partial").mkdir()
    (tmp_path / ".strips.7-0.partial/a").write_text("")
    (tmp_path / ".link.7-1.partial").symlink_to(tmp_path / "mine")
    for name in ("a.txt", "x" * 250, "日本" * 40):
        with beside(tmp_path / name) as left:
            left.write_text("")
            shutil.copy(left, left.with_name(left.name.replace(f".{os.getpid()}-", ".7-")))
    others = ["a.partial", ".hidden", "b.old", ".note.old", ".wandb-run.old", ".their.partial", ".x.7.partial"]
    for kept in others:
        (tmp_path / kept).write_text("")
    remove_partial(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(
        [*others, "mine", "a.txt", "x" * 250, "日本" * 40]
    )
    assert (tmp_path / "mine/kept").is_file()
    remove_partial(tmp_path / "nothing")


def test_many_writers_of_one_file_are_not_in_each_others_way(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(60):
            write_atomic(tmp_path / "page.html", f"{number}" * 1000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
    assert len(set((tmp_path / "page.html").read_text())) == 1


def test_folders_that_cannot_be_flushed_are_no_error_and_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("")

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    sync(tmp_path)
    with pytest.raises(OSError, match="Invalid argument"):
        sync(tmp_path / "a")
