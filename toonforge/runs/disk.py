"""What the user is told where a run's folder cannot be written: a full disk above all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.runs.described import is_run, resume_command

FULL = (errno.ENOSPC, errno.EDQUOT)
_ELSEWHERE = "choose a folder you may write to with --out"
_HERE = "make it writable, or copy the run's whole folder to a place you may write to, and resume that"
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_HINTS = {
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.EFBIG: "the system allows no larger files: see ulimit -f",
    errno.EIO: "the disk, or the way to it, has failed: the system's log may say more (dmesg)",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn whatever the system refuses into one clear message.

    Args:
        path: of the folder that is written.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """The same for a disk that is full alone, wherever the file lies: anything else may be a fault of ours.

    Args:
        path: of the run's folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> RunError:
    """What the system refused, where, how much room there is, and what to do."""
    full = error.errno in FULL
    again = f"continue: {resume_command(path)}" if is_run(path) else "run the command again"
    hint = _HINTS.get(error.errno or 0, "see whether the folder can be written")
    if error.errno in _REFUSED and is_run(path):
        hint = _HERE
    if full:
        hint = f"free some space, of which checkpoints of old runs take most, then {again}"
    elif error.errno == errno.EIO:
        hint = f"{hint}; then {again}"
    found = [error.strerror or str(error), _file(path, error), _room(path) if full else ""]
    return RunError(
        Problem(
            message=f"the disk is full: cannot write to {path}" if full else f"cannot write to {path}",
            found="; ".join(filter(None, found)),
            hint=hint,
        )
    )


def _file(path: Path, error: OSError) -> str:
    if not isinstance(error.filename, str):
        return ""
    return os.path.relpath(error.filename, path) if error.filename.startswith(f"{path}{os.sep}") else error.filename


def _room(path: Path) -> str:
    """How much is free, and how much the run's newest checkpoint takes, in words."""
    said = []
    with suppress(OSError):
        said.append(f"{_size(shutil.disk_usage(path).free)} free")
    with suppress(OSError):
        newest = max((path / "checkpoints").glob("step-*"), default=None)
        if newest is not None:
            said.append(f"the newest checkpoint takes {_size(sum(file.stat().st_size for file in newest.iterdir()))}")
    return "; ".join(said)


def _size(count: int) -> str:
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return f"{count} bytes"
