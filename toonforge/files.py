"""Files that are whole or not there, whenever the machine stops or the disk is full."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from PIL import Image

_NO_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EISDIR)
"""What the system says where folders cannot be flushed: network file systems, Windows."""
_COUNT = itertools.count()
_TEMPORARY = re.compile(r"\.(.+)\.(\d+)-\d+\.partial\Z", re.DOTALL)
_UNFINISHED: set[Path] = set()
"""What this process is writing just now."""
_LONGEST = 255
"""Bytes of a file's name."""


def write_atomic(path: Path, text: str) -> None:
    """Replace a small text file so that a reader finds the old or the new one, never a part."""
    with replacing(path) as file:
        file.write(text)


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file to write in place of another: a reader finds the old or the new one, never a part.

    Line ends are written as given.
    """
    with beside(path, flush=True) as temporary, temporary.open("x", encoding="utf-8", newline="") as file:
        yield file


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file so that a reader finds the old or the new one, which may be the same."""
    with beside(path, flush=True) as temporary, temporary.open("xb") as file:
        file.write(source.read_bytes())


def save_picture(picture: Image.Image, path: Path, *, flush: bool = False, **options: Any) -> Path:
    """Save a picture so that it is whole or not there; its folder is made.

    Args:
        flush: whether it must be there after the machine has lost its power, too.
        options: as Pillow's `save` takes them; the format is that of the path's ending where it is left out.
    """
    if flush:
        make_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Encoded first: Pillow does not notice where a full disk takes a part of what it writes.
    encoded = io.BytesIO()
    picture.save(encoded, **({} if "format" in options else {"format": _format_of(path)}), **options)
    with beside(path, flush) as temporary, temporary.open("xb") as file:
        file.write(encoded.getbuffer())
    return path


def _format_of(path: Path) -> str:
    from PIL import Image

    Image.init()
    return Image.EXTENSION[path.suffix.lower()]


@contextmanager
def beside(path: Path, flush: bool = False) -> Iterator[Path]:
    """Where to write a file that takes its place when it is whole; nothing of it stays where that fails.

    Args:
        flush: whether it must be there after the machine has lost its power, too.

    Raises:
        OSError: for one that cannot be written, such as a device, which would be replaced by a file.
    """
    refuse_special(path)
    temporary = path.with_name(_temporary(path.name))
    remove(temporary)  # what a killed process of this number left, or a link to elsewhere
    _UNFINISHED.add(temporary)
    try:
        yield temporary
        if flush:
            sync(temporary)
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            remove(temporary)
        _name(error, path)
        raise
    finally:
        _UNFINISHED.discard(temporary)
    if flush:
        sync(path.parent)


def remove_unfinished() -> None:
    """Remove what this process is writing just now: for one that ends before it is whole."""
    for path in tuple(_UNFINISHED):
        with suppress(OSError):
            remove(path)


def remove_left(paths: Iterable[Path]) -> None:
    """Remove what killed processes left of these files, as far as that can be removed; a living one goes on writing."""
    folders: dict[Path, set[str]] = {}
    for path in paths:
        folders.setdefault(path.parent, set()).update((path.name, _shortened(path.name)))
    for folder, names in folders.items():
        with suppress(OSError):
            for path in [*folder.iterdir()]:
                match = _TEMPORARY.match(path.name)
                if match and match[1] in names and path not in _UNFINISHED and not _is_other_living(int(match[2])):
                    remove(path)


def _is_other_living(process: int) -> bool:
    """Whether another process has this number."""
    if process == os.getpid() or os.name != "posix":  # elsewhere, what is open cannot be removed
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _temporary(name: str) -> str:
    """The name of a hidden file that no other writer uses, of this process or another."""
    own = f"{os.getpid()}-{next(_COUNT)}.partial"
    if len(os.fsencode(f".{name}.{own}")) > _LONGEST:
        name = _shortened(name)
    return f".{name}.{own}"


def _shortened(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()


def written_for(name: str) -> str | None:
    """The name of the file that one of this name is written for, until it is whole; None for any other file."""
    match = _TEMPORARY.match(name)
    return match[1] if match else None


def refuse_special(path: Path) -> None:
    """Raise `OSError` where there is something that is no file: a folder, a device such as /dev/null, a pipe, a socket.

    A link to a file is replaced, but those of the system are no place for a file: /dev/stdout.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    place = Path(os.path.realpath(path.parent))
    if path.exists() and (not path.is_file() or place == Path("/dev") or Path("/proc") in place.parents):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))


def append(path: Path, text: str) -> None:
    """Add to the end of a file, which is made if need be: all of the text or, where the disk is full, none of it."""
    data = memoryview(text.encode())
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            while data:
                data = data[file.write(data) :]
        except BaseException as error:
            with suppress(OSError):
                file.truncate(before)
            _name(error, path)
            raise


def _name(error: BaseException, path: Path) -> None:
    """Say which file a write was for; the system does not."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(path)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if need be, so that they are still there after a power cut."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def checksum(path: Path) -> str:
    """SHA-256 of a file's contents, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def remove_partial(folder: Path) -> None:
    """Remove what killed processes left of files that they were writing, as far as that can be removed.

    Links are removed as such, and whatever has another name stays: the user's, or a tracker's.
    """
    with suppress(OSError):
        for path in [path for path in folder.iterdir() if written_for(path.name) is not None]:
            remove(path)


def sync(path: Path) -> None:
    """Wait until a file or a folder's entries are on the disk, where the system can say so."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDERS or not path.is_dir():
            raise
