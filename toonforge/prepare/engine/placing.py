"""What is about to be put into place below OUT, noted first: a call that is killed before its manifest names a file
leaves a note of it, by which the next call finds the file and removes it.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

NOTES = ".manifest.placing"
"""The file of the notes, directly in OUT; there only while a call is at work, or after it was killed."""

_OUT: ContextVar[Path | None] = ContextVar("_OUT", default=None)


@contextmanager
def noting(out: Path) -> Iterator[None]:
    """Inside, `note` takes notes of what is put into place below `out`."""
    token = _OUT.set(out)
    try:
        yield
    finally:
        _OUT.reset(token)


def note(file: Path, target: Path) -> None:
    """Note that `file` is about to become `target`. Raises `OSError` where that cannot be written."""
    out = _OUT.get()
    if out is not None:
        _append(out, ((Path(os.path.relpath(target, out)).as_posix(), _state(file)),))


def note_outputs(out: Path, outputs: Iterable[str]) -> None:
    """Note files that are there, as they are: the manifest is about to name them no more."""
    _append(out, ((output, state) for output in outputs if (state := _state(out / output))))


def noted(out: Path) -> tuple[str, ...]:
    """Posix paths below OUT of the files that were noted and lie there as they were then.

    A file that someone has put there since, or has changed, is none of them.
    """
    found: dict[str, None] = {}
    try:
        if not stat.S_ISREG(os.lstat(out / NOTES).st_mode):
            return ()
        lines = (out / NOTES).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    for line in lines:
        with suppress(ValueError, TypeError, RecursionError):  # torn
            output, state = json.loads(line)
            if isinstance(output, str) and state and _state(out / output) == state:
                found[output] = None
    return tuple(found)


def forget_notes(out: Path) -> None:
    """All that was put into place is in the manifest, or removed."""
    (out / NOTES).unlink(missing_ok=True)


def _state(file: Path) -> list[int]:
    """Bytes, and time modified in nanoseconds, by which a file is known again; empty where there is none."""
    try:
        found = os.stat(file, follow_symlinks=False)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns] if stat.S_ISREG(found.st_mode) else []


def _append(out: Path, notes: Iterable[tuple[str, list[int]]]) -> None:
    """Add notes, in one piece: several processes write here. Each begins on a new line, if the last was torn."""
    data = "".join(f"\n{json.dumps(one)}" for one in notes).encode("ascii")
    if not data:
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(out / NOTES, flags, 0o666)
    try:
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
