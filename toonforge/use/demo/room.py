"""The folder of what passes through the page: uploads and translations, none of which outlives it."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from toonforge.use.demo.left import PREFIX, mark, remove_left

KEPT_SECONDS = 1800
"""So long an upload and its translations can be fetched again; then they are deleted."""

KEPT_BYTES = 2 * 2**30
"""So much is kept at all: the oldest goes first."""


class Closed(Exception):
    """The page has ended, and so does what it computes."""


@attrs.frozen
class Room:
    """A folder that is emptied as it is used.

    Attributes:
        folder: where everything lies; made for this alone, and readable by nobody else.
    """

    folder: Path
    _kept: set[Path] = attrs.field(factory=set, init=False, repr=False)
    _closed: threading.Event = attrs.field(factory=threading.Event, init=False, repr=False)
    _used: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    @contextmanager
    def used(self) -> Iterator[None]:
        """A picture is computed in here, one at a time; raises `Closed` where none may be any more."""
        with self._used:
            self.check()
            yield

    def check(self) -> None:
        """Raise `Closed` once the room is closed."""
        if self._closed.is_set():
            raise Closed

    def close(self) -> None:
        """Nothing is computed for it from here on, and nothing written into it."""
        self._closed.set()

    def wait(self, seconds: float) -> bool:
        """Whether nothing is computed any more, within so many seconds."""
        if self._used.acquire(timeout=seconds):
            self._used.release()
            return True
        return False

    @property
    def uploads(self) -> Path:
        """Where the server keeps what it receives, and what it hands out."""
        return self.folder / "server"

    def place(self, name: str) -> Path:
        """Where to write a file of this name: a folder of its own, of a name that nobody guesses."""
        self.check()
        folder = self.folder / "made" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder / name

    def keep(self) -> None:
        """What lies here now is the page's own, and stays until its end."""
        self._kept.update(path for path in self.folder.rglob("*") if path.is_file())

    def sweep(self, seconds: float = KEPT_SECONDS, most: int = KEPT_BYTES) -> None:
        """Delete files older than `seconds`, and the oldest of the others where they are more than `most` bytes."""
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.glob("*/**/*"):  # not the mark of who is here
            with suppress(OSError):  # deleted meanwhile
                if path.is_file() and path not in self._kept:
                    status = path.stat()
                    files.append((status.st_mtime, status.st_size, path))
        held = sum(size for _, size, _ in files)
        for changed, size, path in sorted(files):
            if changed > time.time() - seconds and held <= most:
                break
            held -= size
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()  # only where it was the last in there


@contextmanager
def a_room() -> Iterator[Room]:
    """A room, which is gone afterwards with all that it holds; those that were left behind by others go first."""
    remove_left()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with mark(folder):
            room = Room(folder)
            room.uploads.mkdir()
            yield room
    finally:
        shutil.rmtree(folder, ignore_errors=True)
