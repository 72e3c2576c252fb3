"""Decoded and scaled pictures, kept so that none is decoded twice: in memory, or on disk for later runs too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from toonforge.data.cache.files import CachedFiles, disk_room
from toonforge.data.cache.folder import cache_folder
from toonforge.data.filters.opencv import opencv

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture

MEMORY_BYTES = 256 * 2**20
"""Pictures are kept in memory up to this much by a training process and its background workers together."""

Steps = tuple[tuple[str, str], ...]
"""Filters that a picture has been through: (filter, style) each."""

Key = tuple[str, int, Steps]
"""A picture of a data set: field, number, and the filters that it has been through."""


Kind = Literal["memory", "disk", "none"]


def make_cache(kind: Kind, settings: str) -> Cache:
    """A cache of a kind.

    Args:
        kind: "memory": as far as there is room, while the run lasts. "disk": in a folder, for later runs too. "none".
        settings: how pictures are decoded and scaled: others are other pictures.

    Raises:
        DataError: the folder of the cache cannot be used.
    """
    if kind == "disk":
        return OnDisk(settings)
    return InMemory() if kind == "memory" else keep_nothing


class Cache(Protocol):
    """Keeps pictures, or makes them each time."""

    def __call__(self, key: Key, version: Callable[[], str], make: Callable[[], Picture]) -> Picture:
        """The picture of a key, kept or made now; it may be shared, so it must not be written to.

        Args:
            key: which picture of the data set.
            version: tells where its file lies and in which state.
            make: reads, scales and filters it.
        """


def keep_nothing(key: Key, version: Callable[[], str], make: Callable[[], Picture]) -> Picture:
    """A cache for data sets that fit nowhere."""
    return make()


class InMemory:
    """Keeps the first pictures that are made, as far as there is room. See `Cache`.

    Background workers each keep their own, so they divide the room.
    """

    def __init__(self, room: int = MEMORY_BYTES) -> None:
        self.room = room
        self.held = 0
        self._pictures: dict[Key, Picture] = {}

    def __call__(self, key: Key, version: Callable[[], str], make: Callable[[], Picture]) -> Picture:
        """See `Cache`."""
        picture = self._pictures.get(key)
        if picture is None:
            picture = make()
            if self.held + picture.nbytes <= self.room // _sharers():
                self._pictures[key] = picture.copy()  # itself may be a part of a larger picture, which would stay too
                self.held += picture.nbytes
        return picture


class OnDisk:
    """Keeps pictures in files that all processes and later runs share. See `Cache`.

    A picture is found again while its file has the same path, size and time of change, and while it is decoded, scaled
    and filtered alike, by the same versions of this package and of the libraries that do so.

    Args:
        settings: how pictures are decoded and scaled: others are other pictures.
        folder: where the files lie; `cache_folder()/pictures` when left out.
        room: bytes that all files in the folder may take.

    Raises:
        DataError: the folder cannot be made or written to.
    """

    def __init__(self, settings: str, folder: Path | None = None, room: int | None = None) -> None:
        self._settings = f"{_makers()}|{settings}"
        folder = cache_folder() / "pictures" if folder is None else folder
        self._files = CachedFiles(folder, disk_room() if room is None else room)

    def __call__(self, key: Key, version: Callable[[], str], make: Callable[[], Picture]) -> Picture:
        """See `Cache`."""
        before = version()
        text = f"{before}|{_filters(key[2])}|{self._settings}"
        picture = self._files.get(text)
        if picture is None:
            picture = make()
            if version() == before:  # a file that was changed while it was read may have been either
                self._files.put(text, picture)
        return picture


def _makers() -> str:
    """The versions of what decodes and scales pictures: of others, other pixels may come."""
    import toonforge

    found = [f"toonforge {toonforge.__version__}"]
    for library in ("pillow", "simplejpeg", "torch"):
        with suppress(PackageNotFoundError):
            found.append(f"{library} {version_of(library)}")
    return ", ".join(found)


def _filters(steps: Steps) -> str:
    """What the filtered pictures depend on beside the picture."""
    return f"{steps} by OpenCV {opencv().__version__}" if steps else ""


def _sharers() -> int:
    from torch.utils.data import get_worker_info

    worker = get_worker_info()
    return 1 if worker is None else worker.num_workers
