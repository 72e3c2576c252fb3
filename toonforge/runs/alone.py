"""One process at a time in a folder: a lock that the system lets go of when its holder ends, however it ends.

Own code, since locks of libraries are files that stay where their holder was killed, or are not handed to a process
that is started: `flock` on a descriptor does both. Where the system or the file system has no such lock, none is held.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from toonforge.errors import Problem, RunError

try:
    import fcntl
except ImportError:  # Windows
    LOCKS = False
else:
    LOCKS = True

LOCK = ".lock"
"""The file; what is written in it is the number of the process that held it last."""

_ONLY_HERE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A lock that somebody has made a link or a pipe is refused: what it leads to would be emptied, or waited for."""

_held: set[int] = set()


def _let_go() -> None:
    """A process that is forked off (a loader's worker) does not hold what its parent holds: it may outlive it."""
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def alone(folder: Path, refusal: Callable[[str], Problem]) -> Iterator[int | None]:
    """Hold a folder that is there.

    Args:
        folder: which holds the lock's file from then on.
        refusal: what to say to the user where another one holds it; takes the number of its process, in words.

    Yields:
        A descriptor: a process that is started with it holds the folder too. None where there are no such locks.

    Raises:
        RunError: another one holds the folder, in this process or another.
        OSError: the folder cannot be written.
    """
    if not LOCKS:
        yield None
        return
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | _ONLY_HERE, 0o666)
    _held.add(descriptor)
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(refusal(_holder(descriptor))) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def refuse_held(folder: Path, refusal: Callable[[str], Problem]) -> None:
    """Raise `RunError` where someone holds the folder; leaves no trace, and says nothing where it cannot be known."""
    if not LOCKS:
        return
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | _ONLY_HERE)
    except OSError:
        return
    try:
        with suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(refusal(_holder(descriptor))) from None
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """The process that wrote the file, which is the one that holds it."""
    number = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return number if number.isdecimal() else "unknown"
