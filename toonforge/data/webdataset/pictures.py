"""Pictures in tar files, read from where an index says that they lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import attrs

from toonforge.data.pictures import Texts
from toonforge.data.reading.again import may_pass
from toonforge.data.reading.picture import read_picture, shown
from toonforge.data.webdataset.cache import Shard
from toonforge.errors import UnreadableImage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.pictures import Indices
    from toonforge.data.transforms import Picture

MAX_BYTES = 2**30
"""Members that are larger are refused: no picture that could be decoded is."""

_OPEN = 64


@attrs.frozen(kw_only=True, eq=False)
class Members:
    """One member of each sample, as arrays over the samples.

    Attributes:
        shards: the tar files.
        endings: what a member may end in after its sample's key.
        keys: of the samples.
        shard: which of `shards` each lies in.
        ending: which of `endings` its member has.
        offset, size: where the member's bytes lie in the file, and how many.
    """

    shards: tuple[Shard, ...]
    endings: tuple[str, ...]
    keys: Texts
    shard: npt.NDArray[np.int32]
    ending: npt.NDArray[np.int16]
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]


class ShardPictures:
    """Some members of tar files, as `toonforge.data.pictures.Pictures` describes.

    Args:
        members: what the files hold.
        rows: which of them, in this order; all when left out.
    """

    draws_alone: ClassVar[bool] = True

    def __init__(self, members: Members, rows: Indices | None = None) -> None:
        import numpy as np

        self.members = members
        self.rows: Indices = np.arange(len(members.offset)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int, short: int | None = None) -> Picture:
        """The picture; see `Pictures.read`."""
        return read_picture(self.data(index), short=short, name=self.where(index))

    def data(self, index: int) -> bytes:
        """The member's bytes; raises `UnreadableImage` where they are gone."""
        row, members = self.rows[index], self.members
        size, shard = int(members.size[row]), members.shards[members.shard[row]]
        if size > MAX_BYTES:
            raise UnreadableImage(self.where(index), f"{size:,} bytes are more than {MAX_BYTES:,}")
        try:
            found = _read(shard, int(members.offset[row]), size)
        except OSError as error:
            _opened.cache_clear()  # on a network disk, a handle may have died that a new one replaces
            reason = error.strerror or str(error)
            said = f"its shard cannot be read: {reason}"
            raise UnreadableImage(self.where(index), said, passing=may_pass(error)) from error
        if len(found) < size:
            raise UnreadableImage(self.where(index), "its shard has become shorter since its index was made")
        return found

    def name(self, index: int) -> str:
        """Its sample's key in one piece: "night/0001" -> "night--0001"."""
        key = self.members.keys[int(self.rows[index])]
        return "--".join(part for part in key.split("/") if part not in ("", ".", ".."))

    def where(self, index: int) -> str:
        """The tar file and the member in it."""
        row, members = self.rows[index], self.members
        shard, ending = members.shards[members.shard[row]], members.endings[members.ending[row]]
        return f"{shown(shard.path)}: {members.keys[int(row)]}.{ending}"

    def version(self, index: int) -> str:
        """The tar file in its state when the index was made, and the member's place in it."""
        row = self.rows[index]
        shard = self.members.shards[self.members.shard[row]]
        return f"{os.path.abspath(shard.path)}:{shard.size}:{shard.modified}:{self.members.offset[row]}"

    def only(self, indices: Indices) -> ShardPictures:
        """Some of the members; what is known of all is shared."""
        return ShardPictures(self.members, self.rows[indices])


class _Handle:
    """An open file. It is closed when nobody uses it any more, so that a thread in the midst of a read may go on."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.descriptor)


@lru_cache(maxsize=_OPEN)
def _opened(shard: Shard) -> _Handle:
    """The shard, open; the last used stay so. Raises OSError where it is gone, or is another file than was indexed.

    Reads say where they begin, so that processes forked off may go on with the same handles.
    """
    if Shard.at(shard.path) != shard:
        raise OSError("it has changed since its index was made")
    return _Handle(os.open(shard.path, os.O_RDONLY))


def _read(shard: Shard, offset: int, size: int) -> bytes:
    """Bytes of a shard, fewer where it ends before."""
    if not hasattr(os, "pread"):  # Windows
        with open(shard.path, "rb") as file:
            file.seek(offset)
            return file.read(size)
    handle = _opened(shard)
    found = os.pread(handle.descriptor, size, offset)
    while len(found) < size and (more := os.pread(handle.descriptor, size - len(found), offset + len(found))):
        found += more
    return found
