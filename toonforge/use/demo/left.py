"""Folders of pages that ended without deleting them: killed, or with the computer.

A process that is alive holds a lock on a file in its folder, which the system takes from it however it ends. Without
such locks (Windows) nothing is removed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "toonforge-demo-"
MARK = "in-use"
BEGINNING = 3600
"""Seconds that a folder without a mark is left alone: its process may be about to set one."""


@contextmanager
def mark(folder: Path) -> Iterator[None]:
    """Within it, the folder is known to be in use."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    made = folder / f"{MARK}.new"
    held = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        made.rename(folder / MARK)  # never seen without its lock
        yield
    finally:
        os.close(held)


def remove_left(parent: Path | None = None) -> None:
    """Delete this user's folders that nobody uses.

    Args:
        parent: where they are; the system's folder of temporary files when left out.
    """
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return
    with suppress(OSError):
        for folder in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
            with suppress(OSError):
                if _is_own(folder) and _is_left(folder):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    status = folder.lstat()  # a link leads elsewhere
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def _is_left(folder: Path) -> bool:
    import fcntl

    try:
        held = os.open(folder / MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > BEGINNING
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(held)
