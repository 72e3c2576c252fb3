"""A verb that is killed at any step: the next call leaves what an uninterrupted one leaves, and no stranger's file."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.pictures import fill, save
from tests.prepare_task import Copy
from toonforge.prepare.engine import manifest
from toonforge.prepare.engine import work as engine
from toonforge.prepare.engine.copying import place
from toonforge.prepare.engine.manifest import Journal, Row
from toonforge.prepare.engine.placing import NOTES
from toonforge.prepare.engine.sources import pictures_below
from toonforge.prepare.engine.stop import Stop
from toonforge.prepare.engine.task import Source, Task
from toonforge.prepare.engine.work import Report, work

STEPS = ("replace", "unlink", "write", "link", "rmdir")
"""What changes anything on the disk, in `os`."""


class Killed(BaseException):
    """Nothing that was killed does anything afterwards."""


class Kill:
    """Kills before the step of a number: from then on no step does anything."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int) -> None:
        self.count, self.number = 0, number
        for name in STEPS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, real: Any) -> Any:
        def step(*args: Any, **more: Any) -> Any:
            self.count += 1
            if self.count >= self.number:
                raise Killed
            return real(*args, **more)

        return step


def run(root: Path, out: str = "out", aside: int = 2, **more: Any) -> Report:
    """Copies all pictures into kept, and takes some of them out again in a second pass."""

    def finish(rows: tuple[Row, ...]) -> Iterable[Row]:
        for number, row in enumerate(rows):
            output = f"{'aside' if number < aside else 'kept'}/{row.source}"
            if row.output != output:
                place(root / out / row.output, root / out / output, link=False)
                yield attrs.evolve(row, action=output.partition("/")[0], output=output, reason="moved")

    task = Copy(log=root / "log.txt")
    sources = pictures_below(root / "photos")
    return work("copy", root / "photos", sources, task, root / out, {"aside": aside}, finish=finish, **more)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes are started, though a call was unfinished: there are hundreds of calls."""

    def work_here(task: Task, sources: Sequence[Source], out: Path, count: int, stop: Stop) -> Any:
        return engine._work_here(task, sources, out, stop)

    monkeypatch.setattr(engine, "work_in_processes", work_here)


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder but manifest.json, which says when they were first begun with what."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != manifest.JSON)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("force", [False, True], ids=["going on", "anew"])
def test_killed_at_any_step_nothing_is_left_that_no_row_names(tmp_path: Path, force: bool) -> None:
    fill(tmp_path / "photos", 3)
    aside = 1 if force else 2
    run(tmp_path, "whole", aside=aside)
    for number in itertools.count(1):
        root = tmp_path / str(number)
        root.mkdir()
        (root / "photos").symlink_to(tmp_path / "photos")
        with pytest.MonkeyPatch.context() as patch:
            try:
                Kill(patch, number)
                run(root)
                break
            except Killed:
                pass
        run(root, aside=aside, force=force)
        assert tree(root / "out") == tree(tmp_path / "whole"), number
    assert number > 30


def test_killed_at_any_step_of_a_later_call_too(tmp_path: Path) -> None:
    fill(tmp_path / "photos", 3)
    for number in itertools.count(1):
        root = tmp_path / str(number)
        fill(root / "photos", 3)
        run(root)
        save(root / "photos/picture00.png", 30, 40, seed=7)  # changed
        save(root / "photos/a.png", 30, 40, seed=8)  # another is put aside for it
        (root / "photos/picture02.png").unlink()
        with pytest.MonkeyPatch.context() as patch:
            try:
                Kill(patch, number)
                run(root)
                break
            except Killed:
                pass
        rows = run(root).rows
        named = {output for row in rows for output in row.outputs()}
        assert {name for name in tree(root / "out") if "/" in name} == named, number
        assert NOTES not in tree(root / "out")
    assert number > 20


@pytest.mark.parametrize("force", [False, True])
def test_strangers_files_stay_even_where_one_was_about_to_be_written(
    tmp_path: Path, force: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "photos", 3)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", killed)
        with pytest.raises(Killed):
            run(tmp_path)
    out = tmp_path / "out"
    (out / "kept/picture00.png").write_bytes(b"a stranger's")
    (out / "kept/notes.txt").write_bytes(b"a stranger's")
    (tmp_path / "photos/picture00.png").unlink()
    run(tmp_path, force=force, aside=0) if force else run(tmp_path)
    assert (out / "kept/picture00.png").read_bytes() == (out / "kept/notes.txt").read_bytes() == b"a stranger's"


@pytest.mark.parametrize("force", [False, True])
def test_notes_that_lie_remove_nothing_elsewhere(tmp_path: Path, force: bool) -> None:
    fill(tmp_path / "photos", 2)
    precious = tmp_path / "precious.txt"
    precious.write_text("precious", "utf-8")
    out = run(tmp_path).out
    state = [precious.stat().st_size, precious.stat().st_mtime_ns]
    table = out / manifest.CSV
    lies: list[object] = [
        ["../precious.txt", state],
        [str(precious), state],
        ["kept/../../precious.txt", state],
        [manifest.CSV, [table.stat().st_size, table.stat().st_mtime_ns]],
        [5, state],
        ["kept", None],
        "torn",
        {},
    ]
    lines = "\n".join(map(json.dumps, lies)).encode() + b'\n["kept/\xff\n' + b"[" * 100_000
    (out / NOTES).write_bytes(lines)
    assert run(tmp_path, force=force).counts == {"aside": 2}
    assert precious.read_text("utf-8") == "precious" and not (out / NOTES).exists()
    (tmp_path / "notes").write_bytes(lines)
    (out / NOTES).symlink_to(tmp_path / "notes")
    save(tmp_path / "photos/new.png")
    assert run(tmp_path, force=force).left == 0
    assert precious.read_text("utf-8") == "precious" and (tmp_path / "notes").read_bytes() == lines
