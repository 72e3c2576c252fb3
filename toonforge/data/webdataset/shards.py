"""What a tar file holds and where, found from its headers alone; nothing is ever extracted."""

from __future__ import annotations

import errno
import io
import os
import re
import tarfile
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LONGEST_HEADER = 2**20
"""Headers that claim to be longer, in bytes, are taken for damage: names and attributes need far less."""

_BUFFER = 4096
_DAMAGE = (tarfile.TarError, ValueError, OverflowError, RecursionError)
_META = re.compile(r"__[^/]*__($|/)")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@attrs.frozen(kw_only=True, eq=False)
class ShardIndex:
    """The samples of one tar file in order, as WebDataset groups its members: neighbours with one key are a sample.

    A member's key is its path up to the first dot of its last part, its ending what follows, in lower case:
    "night/0001.photo.JPG" has key "night/0001" and ending "photo.jpg". Members without either, and those in folders
    such as "__meta__", are no part of a sample.

    Attributes:
        letters: the keys in UTF-8, one after the other.
        key_ends: where each sample's key ends in `letters`.
        member_ends: where each sample's members end in the arrays that follow.
        ending: of each member, as a number of `endings`.
        offset: of each member's first byte in the file.
        size: of each member, in bytes.
        endings: every ending that there is.
        notes: what was left out and why, as sentences about this file.
    """

    letters: npt.NDArray[np.uint8]
    key_ends: npt.NDArray[np.int64]
    member_ends: npt.NDArray[np.int64]
    ending: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    endings: tuple[str, ...]
    notes: tuple[str, ...]

    def key(self, sample: int) -> str:
        """The key of a sample."""
        start = self.key_ends[sample - 1] if sample else 0
        return self.letters[start : self.key_ends[sample]].tobytes().decode()


def read_index(path: str, key: str) -> ShardIndex:
    """The index of a tar file. One that ends early is read as far as it goes, and a note says so.

    Args:
        path: the file.
        key: where the recipe names it, for the error.

    Raises:
        DataError: the file is compressed, no tar file, or cannot be read.
    """
    import numpy as np

    letters, key_ends, member_ends = bytearray(), array("q"), array("q")
    ending, offset, size = array("i"), array("q"), array("q")
    endings: dict[str, int] = {}
    left_out: Counter[str] = Counter()
    notes: list[str] = []
    current: str | None = None
    try:
        with _Headers(io.FileIO(path), _BUFFER) as file:
            if kind := next((name for magic, name in _COMPRESSED.items() if file.peek().startswith(magic)), None):
                raise _compressed(path, key, kind)
            for member in _members(file, notes):
                sample, suffix = sample_and_ending(member.name)
                if why := _no_use(member, sample):
                    left_out[why] += not member.isdir()
                    continue
                if sample != current:
                    current = sample
                    letters += shown(sample).encode()
                    key_ends.append(len(letters))
                    member_ends.append(len(ending))
                ending.append(endings.setdefault(shown(suffix), len(endings)))
                offset.append(member.offset_data)
                size.append(member.size)
                member_ends[-1] = len(ending)
    except _DAMAGE as error:  # in its first header: what is wrong with later ones becomes a note
        raise DataError(Problem(message=f"{shown(path)} is no tar file", key=key, found=str(error) or None)) from error
    except OSError as error:
        found = error.strerror or str(error)
        raise DataError(Problem(message=f"the shard {shown(path)} cannot be read", key=key, found=found)) from error
    notes += [f"{count} members are left out: {why}" for why, count in left_out.items() if count]
    return ShardIndex(
        letters=np.frombuffer(bytes(letters), np.uint8),
        key_ends=np.array(key_ends, np.int64),
        member_ends=np.array(member_ends, np.int64),
        ending=np.array(ending, np.int32),
        offset=np.array(offset, np.int64),
        size=np.array(size, np.int64),
        endings=tuple(endings),
        notes=tuple(notes),
    )


def sample_and_ending(name: str) -> tuple[str, str]:
    """A member's key and ending; both empty for one that is no part of a sample.

    Source: `base_plus_ext` and `skip_meta` of the webdataset package.
    """
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.partition(".")
    if not stem or not dot or _META.match(name):
        return "", ""
    return f"{folder}{slash}{stem}", ending.lower()


def _no_use(member: tarfile.TarInfo, sample: str) -> str | None:
    if not member.isreg():
        return "links, devices and the like"
    if member.issparse():
        return "sparse files, which are not stored in one piece"
    return None if sample else "their names have no key before a dot and no ending after it"


def _members(file: _Headers, notes: list[str]) -> Iterator[tarfile.TarInfo]:
    """Members whose bytes are all there. What ends the reading early is noted, unless nothing was read before."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        last = -1
        while True:
            try:
                member = tar.next()
            except _DAMAGE as error:
                cut = "it ends early; download it again"
                damaged = f"it is damaged before byte {tar.offset:,} ({error}); what follows is left out"
                notes.append(cut if tar.offset > end else damaged)
                return
            if member is None:
                break
            tar.members.clear()  # type: ignore[attr-defined]  # they would take 1 kB each
            if member.size < 0 or tar.offset <= last:
                notes.append(f"it is damaged at byte {member.offset:,}; what follows is left out")
                return
            last = tar.offset
            if member.isreg() and not member.issparse() and member.offset_data + member.size > end:
                notes.append(f"it ends early, inside {shown(member.name)}; download it again")
                return
            yield member
        file.seek(min(tar.offset, end))
        rest = file.read(_BUFFER)
    if not rest:
        notes.append("it ends without the mark of a tar file's end; it may be cut short")
    elif any(rest):
        notes.append(f"it is damaged at byte {tar.offset:,}; what follows is left out")


class _Headers(io.BufferedReader):
    """A tar file of which only headers are read, so that none can ask for all memory or lead nowhere."""

    def seek(self, target: int, whence: int = 0, /) -> int:
        """As any file's."""
        try:
            return super().seek(target, whence)
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise tarfile.ReadError(f"a header leads to byte {target:,}") from error

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file's."""
        if size is None or not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header claims to be {size:,} bytes long")
        return super().read(size)


def _compressed(path: str, key: str, kind: str) -> DataError:
    tool = {"gzip": "gunzip", "bzip2": "bunzip2", "xz": "unxz", "zstd": "unzstd"}[kind]
    return DataError(
        Problem(
            message=f"the shard {shown(path)} is compressed, so its pictures cannot be read at random places",
            key=key,
            found=kind,
            expected="plain tar files; pictures are compressed themselves",
            hint=f"{tool} {shown(path)}",
        )
    )
