"""The folder of what passes through the page: uploads and translations, none of which outlives it."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

KEPT_SECONDS = 1800
"""So long an upload and its translations can be fetched again; then they are deleted."""

KEPT_BYTES = 2 * 2**30
"""So much is kept at all: the oldest goes first."""


@attrs.frozen
class Room:
    """A folder that is emptied as it is used.

    Attributes:
        folder: where everything lies; made for this alone, and readable by nobody else.
    """

    folder: Path

    @property
    def uploads(self) -> Path:
        """Where the server keeps what it receives, and what it hands out."""
        return self.folder / "server"

    def place(self, name: str) -> Path:
        """Where to write a file of this name: a folder of its own, of a name that nobody guesses."""
        folder = self.folder / "made" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder / name

    def sweep(self, seconds: float = KEPT_SECONDS, most: int = KEPT_BYTES) -> None:
        """Delete files older than `seconds`, and the oldest of the others where they are more than `most` bytes."""
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # deleted meanwhile
                if path.is_file():
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
    """A room, which is gone afterwards with all that it holds."""
    folder = Path(tempfile.mkdtemp(prefix="toonforge-demo-"))
    try:
        room = Room(folder)
        room.uploads.mkdir()
        yield room
    finally:
        shutil.rmtree(folder, ignore_errors=True)
