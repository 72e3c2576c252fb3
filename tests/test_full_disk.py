"""A disk that is full, or fails, stops a run with one message; nothing whole is lost, and the run goes on from there.

All operations on the disk, some hundred: pytest tests/test_full_disk.py -m soak
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from tests.checkpoint_formats import RECIPE, STEPS, sums
from tests.crashes.disk import Disk
from tests.crashes.doing import Page
from tests.crashes.killing import preload
from toonforge.cli import main
from toonforge.files import remove
from toonforge.runs.inventory import damage
from toonforge.weights import tensors

ROOMY = {"unlink", "remove", "rmdir", "rename", "replace"}
"""What succeeds on a disk that is full."""
ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


class FailingDisk(Disk):
    """Refuses operations below a folder.

    Args:
        root: the folder.
        first: the first operation that fails, counted from 1; None for none.
        number: the error's.
        for_good: whether all that needs room fails from there on, as on a disk that stays full.
    """

    def __init__(self, root: Path, first: int | None, number: int = errno.ENOSPC, for_good: bool = True) -> None:
        super().__init__(root, Page())
        self.first, self.number, self.for_good = first, number, for_good
        self.seen: list[str] = []

    def point(self, name: str, path: str | None, tear: object = None) -> None:
        """An operation is about to happen."""
        if path is None or not path.startswith(self.root):
            return
        self.seen.append(f"{name} {path.removeprefix(self.root)}")
        if self.first is None or len(self.seen) < self.first:
            return
        if len(self.seen) == self.first or (self.for_good and name not in ROOMY):
            if callable(tear):
                tear()
            if name == "save":
                raise SafetensorError(f"I/O error: {os.strerror(self.number)} (os error {self.number})")
            raise OSError(self.number, os.strerror(self.number), path)


def run(folder: Path, disk: FailingDisk, *words: str) -> tuple[int, str]:
    """`toonforge run` in a process of its own, on that disk. Returns its exit code and what the user sees."""
    said, seen = folder.with_name("said"), folder.with_name("seen")
    child = os.fork()
    if child == 0:
        code = 99
        try:
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(output, stream)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            disk.watch()
            code = main(["run", *words, "--cpu"])
            sys.stdout.flush()
            sys.stderr.flush()
            seen.write_text("\n".join(disk.seen))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text("utf-8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, `whole`, that nothing happened to; and `seen`, all its operations on the disk."""
    import torch

    from tests import tiny

    torch.set_num_threads(1)
    preload()
    tiny.register()
    place = tmp_path_factory.mktemp("disk")
    code, said = run(place / "whole", FailingDisk(place / "whole", None), str(RECIPE), "--out", str(place / "whole"))
    assert code == 0, said
    return place


def operations(place: Path) -> list[str]:
    """All that the run `whole` asked of the disk."""
    return (place / "seen").read_text("utf-8").splitlines()


def firsts(place: Path, of: str) -> dict[str, int]:
    """File, whatever the step and the network -> the number of the first operation on it that needs room.

    Args:
        of: "open", "write" or "fsync": which operation on it, where there is such a one.
    """
    found: dict[str, dict[str, int]] = {}
    for index, operation in enumerate(operations(place), 1):
        name, _, path = operation.partition(" ")
        if name not in ROOMY:
            file = re.sub(r"[^/]*\.safetensors", "*.safetensors", re.sub(r"\d+", "N", path))
            found.setdefault(file, {}).setdefault(name, index)
    return {file: numbers.get(of, next(iter(numbers.values()))) for file, numbers in found.items()}


def check(place: Path, first: int, number: int, half: Path | None = None, for_good: bool = True) -> str:
    """Break the disk at an operation, and see that nothing is lost. Returns what the user was told.

    Args:
        first, number, for_good: see `FailingDisk`.
        half: a run that is resumed on that disk; one is begun on it where this is left out.
    """
    folder = place / "run"
    remove(folder)
    words = [str(RECIPE), "--out", str(folder)]
    if half is not None:
        shutil.copytree(half, folder)
        words = [str(folder), "--resume"]
    code, said = run(folder, FailingDisk(folder, first, number, for_good), *words)
    assert "Traceback" not in said and "internal error" not in said, said
    if code != 0:
        assert (code, said.count("error: ")) == (2, 1), said
        assert os.strerror(number) in said and f"cannot write to {folder}" in said, said
        assert "the disk is full" in said or number == errno.EIO, said
    checkpoints = sorted((folder / "checkpoints").glob("step-*"))
    assert [damage(checkpoint) for checkpoint in checkpoints] == [None] * len(checkpoints)
    assert checkpoints or half is None
    left = [path.name for path in folder.rglob(".*") if path.name != ".lock"]
    assert not left or not for_good or all(name.startswith(".removed-") for name in left), left
    if code != 0:
        if checkpoints:
            assert f"toonforge run {folder} --resume" in said, said
        again = [str(folder), "--resume"] if (folder / "resolved.toml").is_file() else words
        assert main(["run", *again, "--cpu"]) == 0
        assert not [path for path in folder.rglob(".*") if path.name != ".lock"], "the resume removes the rest"
    end = f"checkpoints/step-{STEPS:06d}"
    assert sums(folder / end) == sums(place / "whole" / end)
    assert (folder / "checkpoints/best").read_text() == (place / "whole/checkpoints/best").read_text()
    return said


@pytest.mark.parametrize(("of", "number", "every"), [("write", errno.ENOSPC, 1), ("fsync", errno.EDQUOT, 5)])
def test_whichever_file_has_no_room_nothing_is_lost(place: Path, of: str, number: int, every: int) -> None:
    files = firsts(place, of)
    assert len(files) > 15
    for file, first in [*files.items()][::every]:
        said = check(place, first, number)
        assert ("note: ReportWriter failed" in said) == ("report.html" in file) or "error: " in said, (file, said)


def test_a_disk_that_fails_once_costs_nothing_but_the_way_back(place: Path) -> None:
    for first in [*firsts(place, "open").values()][1::6]:
        check(place, first, errno.EIO, for_good=False)


@pytest.fixture(scope="module")
def half(place: Path) -> Path:
    """A run whose disk was full after its second checkpoint."""
    named = [index for index, operation in enumerate(operations(place), 1) if operation == "replace checkpoints/latest"]
    folder = place / "half"
    code, said = run(folder, FailingDisk(folder, named[1] + 1), str(RECIPE), "--out", str(folder))
    assert code == 2 and (folder / "checkpoints/latest").read_text() == "step-000004\n", said
    return folder


def test_a_resume_that_has_no_room_loses_nothing(place: Path, half: Path) -> None:
    """Cutting the log needs a copy of it."""
    for first in range(1, 9, 2):
        said = check(place, first, errno.ENOSPC, half)
        assert "error: " in said


@pytest.mark.soak
@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("for_good", [True, False])
def test_at_whichever_operation_the_disk_fails_nothing_is_lost(
    place: Path, half: Path, number: int, for_good: bool
) -> None:
    count = len(operations(place))
    for first in range(1, count + 1):
        check(place, first, number, for_good=for_good)
    for first in range(1, count // 2):
        check(place, first, number, half, for_good)


@pytest.mark.soak
def test_a_real_disk_of_any_size_is_enough_or_says_that_it_is_full(place: Path, tmp_path: Path) -> None:
    """Mounts a file system of so many kB in memory, which needs root, as small as a recipe and as large as a run."""
    disk = tmp_path / "small"
    disk.mkdir()
    for size in range(4, 240, 12):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], check=True)
        try:
            folder = disk / "run"
            code, said = run(tmp_path / "any", FailingDisk(tmp_path / "any", None), str(RECIPE), "--out", str(folder))
            assert code in (0, 2) and said.count("error: ") == (code == 2) and "Traceback" not in said, said
            assert code == 0 or "the disk is full" in said, said
            assert all(damage(checkpoint) is None for checkpoint in (folder / "checkpoints").glob("step-*"))
            subprocess.run(["mount", "-o", "remount,size=9m", disk], check=True)
            again = (
                [str(folder), "--resume"]
                if (folder / "resolved.toml").is_file()
                else [str(RECIPE), "--out", str(folder)]
            )
            assert main(["run", *again, "--cpu"]) == 0
            end = f"checkpoints/step-{STEPS:06d}"
            assert sums(folder / end) == sums(place / "whole" / end)
        finally:
            subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    "told",
    [
        'Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })',
        "Error while serializing: I/O error: No space left on device (os error 28)",
    ],
)
def test_the_systems_error_is_known_from_what_each_safetensors_says(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise SafetensorError(told)

    monkeypatch.setattr(tensors, "save_file", refused)
    with pytest.raises(OSError, match="No space left") as caught:
        tensors.write_tensors(tmp_path / "a.safetensors", {})
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a.safetensors"))
