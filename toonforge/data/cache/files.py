"""Pictures in files of a cache folder: whole and right or not there, whoever writes and whenever the machine stops."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]

LOG = logging.getLogger(__name__)

_HEAD = struct.Struct("<8s16sIIQ")
"""What a file begins with: format, digest of the key, height, width, sum of the pixels. Pixels follow, row by row."""
_FORMAT = b"toonpix1"
_SPARE = 2**30
_STALE = 3600
_TOLD: set[Path] = set()
"""Folders of which this process has said that they keep nothing more."""
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by toonforge, which makes again what is deleted here.\n"
"""Tells programs that make backups to leave the folder out (bford.info/cachedir)."""


def disk_room() -> int:
    """How many bytes all files in the cache folder may take: `TOONFORGE_CACHE_GB`, or 20 GB.

    Raises:
        DataError: the environment variable holds no number.
    """
    given = os.environ.get("TOONFORGE_CACHE_GB", "20")
    try:
        return max(0, int(float(given) * 1e9))
    except (ValueError, OverflowError):
        raise DataError(
            Problem(message="the environment variable TOONFORGE_CACHE_GB holds no number", found=given, expected="20")
        ) from None


class CachedFiles:
    """A folder of decoded pictures, one a file, that processes share.

    A file is written under another name and renamed, so no reader finds half of it; a checksum finds what a machine
    that lost its power left. When the room is used up, the files that no run has used for longest are deleted, but
    none that was used since this object was made: what is too large to keep is then kept in part, and a warning says
    so once.

    Args:
        folder: made where it is missing.
        room: bytes that all files may take, of this run and of others; 1 GB of the disk is left free in any case.

    Raises:
        DataError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, room: int) -> None:
        self.folder, self.room = folder, room
        self._began = time.time() - 1  # the clock of files may lie a little behind
        self._left, self._full = 0, False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / "CACHEDIR.TAG", _TAG)
            if shutil.disk_usage(folder).free < _SPARE:  # told here once, and not by each process that finds out
                self._look(1)
        except OSError as error:
            raise DataError(
                Problem(
                    message=f"the cache folder {shown(folder)} cannot be used",
                    key="data.cache",
                    found=error.strerror or str(error),
                    hint='name another in the environment variable TOONFORGE_CACHE, or set data.cache = "memory"',
                )
            ) from error

    def get(self, key: str) -> Picture | None:
        """The picture that was kept under this text, or None."""
        import numpy as np

        path, digest = self._place(key)
        try:
            with open(path, "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                content = np.empty(status.st_size, np.uint8)
                content = content[: file.readinto(content.data)]
            if status.st_mtime < self._began:
                with suppress(OSError):  # another user's file
                    os.utime(path)  # used in this run
        except OSError:
            return None
        return _unpacked(content, digest)

    def put(self, key: str, picture: Picture) -> None:
        """Keep a picture under a text, if there is room. A disk that is full or gone is no error."""
        import numpy as np

        if self._full:
            return
        try:
            size = picture.nbytes + _HEAD.size
            if self._left < size:
                self._look(size)
            if not self._full:
                path, digest = self._place(key)
                pixels = np.ascontiguousarray(picture)
                head = _HEAD.pack(_FORMAT, digest, *pixels.shape[:2], _checksum(pixels.reshape(-1)))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _write(path, head, pixels.data)
                self._left -= size
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def _look(self, needed: int) -> None:
        """Find room for so many bytes, or give up."""
        self._left = self._make_room(needed)
        if self._left < needed:
            disk = shutil.disk_usage(self.folder).free < _SPARE + needed
            allowed = f"they take {self.room / 1e9:g} GB, all that TOONFORGE_CACHE_GB allows"
            self._give_up(f"less than {_SPARE / 2**30:g} GB of its disk is free" if disk else allowed)

    def _give_up(self, reason: str) -> None:
        self._full = True
        if self.folder not in _TOLD and _speaks():
            _TOLD.add(self.folder)
            LOG.warning("data.cache: no more pictures are kept in %s: %s", shown(self.folder), reason)

    def _place(self, key: str) -> tuple[str, bytes]:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        name = digest.hex()
        return f"{self.folder}/{name[:2]}/{name[2:]}", digest

    def _make_room(self, needed: int) -> int:
        """Delete what was not used for longest, if need be; returns how many bytes may be written before the next look.

        Other processes write meanwhile, so that is a small part of the room, or what is `needed` now.
        """
        files = sorted(self._listed())
        held = sum(size for _, size, _ in files)
        room = min(self.room, held + shutil.disk_usage(self.folder).free - _SPARE)
        share = max(needed, self.room // 64)
        for used, size, path in files:
            if held + share <= room or used >= self._began:
                break
            with suppress(OSError):  # another process was sooner
                os.unlink(path)
            held -= size
        return min(share, room - held)

    def _listed(self) -> Iterator[tuple[float, int, str]]:
        """(time of last use, bytes, path) of every picture. What broken-off writers left behind is deleted."""
        for folder in os.scandir(self.folder):
            if not folder.is_dir():
                continue
            for entry in os.scandir(folder):
                with suppress(OSError):
                    status = entry.stat()
                    if not entry.name.endswith(".partial"):
                        yield status.st_mtime, status.st_size, entry.path
                    elif status.st_mtime < time.time() - _STALE:
                        os.unlink(entry.path)


def _speaks() -> bool:
    """Whether this is the process, of the background workers of a run the first, that warns for all."""
    from torch.utils.data import get_worker_info

    worker = get_worker_info()
    return worker is None or worker.id == 0


def _write(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """A file that is whole or not there."""
    folder, name = os.path.split(path)
    temporary = f"{folder}/.{name}.{os.getpid()}-{threading.get_ident()}.partial"
    try:
        with open(temporary, "wb") as file:
            for part in parts:
                file.write(part)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _unpacked(content: Picture, digest: bytes) -> Picture | None:
    """The picture that a file holds, or None where it is not whole, or another's."""
    if content.size < _HEAD.size:
        return None
    kind, theirs, height, width, checksum = _HEAD.unpack_from(content.data)
    pixels = content[_HEAD.size :]
    if kind != _FORMAT or theirs != digest or pixels.size != height * width * 3 or _checksum(pixels) != checksum:
        return None
    return pixels.reshape(height, width, 3)


def _checksum(content: Picture) -> int:
    """Of one-dimensional uint8: the sum of its words of 64 bits, modulo 2**64.

    It finds what a machine that lost its power leaves, such as pages of zeros, and any bit that has flipped; not words
    that have changed places. A sum that sees those, zlib's CRC, takes longer than all the rest of reading a picture.
    """
    import numpy as np

    words = content.size // 8 * 8
    total = int(np.add.reduce(content[:words].view(np.uint64))) + int(content[words:].sum())
    return (total + 1) % 2**64  # all zeros is what a torn file ends with
