"""A folder for what processes of one command tell each other; a full or missing one is a mistake with a message."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toonforge.errors import Problem, RunError

ROOM = 64 * 1024
"""Bytes that there must be: reports of errors are smaller."""


@contextmanager
def temporary(name: str) -> Iterator[Path]:
    """A folder that is removed at the end.

    Raises:
        RunError: there is no place for one, or no room in it.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=f"toonforge-{name}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(error) from error
    with folder as place:
        probe = Path(place) / "room"
        try:
            probe.write_bytes(bytes(ROOM))
            probe.unlink()
        except OSError as error:
            raise _no_room(error) from error
        yield Path(place)


def _no_room(error: OSError) -> RunError:
    where = tempfile.tempdir or "the folder for temporary files"
    return RunError(
        Problem(
            message=f"cannot write to {where}",
            found=error.strerror or str(error),
            hint="make room there, or name another folder: TMPDIR=/some/folder toonforge …",
        )
    )
