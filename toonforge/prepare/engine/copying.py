"""Files put into place whole: a copy, a hard link or bytes from memory is there, or it is not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from toonforge.data.reading.picture import shown, why_not_opened
from toonforge.errors import UnreadableImage
from toonforge.prepare.engine.placing import note

_LONGEST = 255
"""Bytes of a file's name, on every usual file system."""


def place(source: Path, target: Path, link: bool) -> None:
    """Put a copy of a file at `target`: the same bytes and times; its folder is made.

    Args:
        link: make a hard link in place of a copy, where the file systems allow it: editing one then edits both.

    Raises:
        UnreadableImage: the source cannot be read.
        OSError: the target cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (link and _linked(source, target)):
        _write(target, lambda partial: _copy(source, partial))


def write_whole(target: Path, data: bytes) -> None:
    """Write bytes to `target`; its folder is made. Raises `OSError` where it cannot be written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, lambda partial: _fill(partial, data))


def is_partial(name: str) -> bool:
    """Whether a file of this name is a part that `place`, `write_whole` or `save_picture` has left behind."""
    return name.startswith(".") and name.endswith(".partial")


def _write(target: Path, fill: Callable[[Path], object]) -> None:
    name = f".{target.name}.partial"
    if len(os.fsencode(name)) > _LONGEST:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}.partial"
    partial = target.with_name(name)
    # Never written over: what is left of an earlier call may be a hard link to a source.
    partial.unlink(missing_ok=True)
    try:
        fill(partial)
        note(partial, target)
        partial.replace(target)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _fill(partial: Path, data: bytes) -> None:
    with partial.open("xb") as file:
        file.write(data)


def _copy(source: Path, partial: Path) -> None:
    with partial.open("xb") as writing:
        try:
            reading = source.open("rb")
        except OSError as error:
            raise unreadable(source, error) from error
        with reading:
            while data := _read(reading, source):
                writing.write(data)
            times = os.fstat(reading.fileno())
    os.utime(partial, ns=(times.st_atime_ns, times.st_mtime_ns))


def _read(reading: BinaryIO, source: Path) -> bytes:
    try:
        return reading.read(1 << 20)
    except OSError as error:  # a bad sector, a lost share: the source's trouble, not OUT's
        raise unreadable(source, error) from error


def unreadable(source: Path, error: OSError) -> UnreadableImage:
    """What the system says of a source that it does not read."""
    return UnreadableImage(shown(source), why_not_opened(error))


def _linked(source: Path, target: Path) -> bool:
    """Make a hard link; False where that is not possible here."""
    file = os.path.realpath(source)  # of the file, where the source is a symbolic link
    try:
        if target.exists() and os.path.samefile(file, target) and not target.is_symlink():
            return True
        target.unlink(missing_ok=True)
    except OSError:
        return False
    note(Path(file), target)
    try:
        os.link(file, target)
    except OSError:
        return False
    return True
