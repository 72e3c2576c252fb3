"""Indexes of shards are kept in the cache folder: reading the headers of a large tar file again takes minutes."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.data.cache.folder import cache_folder
from toonforge.data.reading.picture import shown
from toonforge.data.webdataset.shards import ShardIndex, read_index
from toonforge.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOG = logging.getLogger(__name__)

FORMAT = 1
"""Of the files in the cache: those of another are made anew."""

_ARRAYS = ("letters", "key_ends", "member_ends", "ending", "offset", "size")
_THREADS = 8
_AT_ONCE = 64
_PATIENCE = 10.0
_NAMED = 5


@attrs.frozen
class Shard:
    """A tar file in the state in which its index was made: path, size in bytes, time of change in nanoseconds."""

    path: str
    size: int
    modified: int

    @classmethod
    def at(cls, path: str) -> Shard:
        """The file as it is now; raises OSError where it is gone."""
        status = os.stat(path)
        return cls(path, status.st_size, status.st_mtime_ns)


def indexes(shards: Sequence[Shard], key: str) -> Iterator[ShardIndex]:
    """The index of each shard in turn: from the cache, or read from the file and kept.

    Args:
        shards: the files.
        key: where the recipe names them, for errors.

    Raises:
        DataError: shards are compressed, no tar files, or cannot be read; all are looked at first.
    """

    def one(shard: Shard) -> ShardIndex | DataError:
        try:
            return _kept(shard) or _made(shard, key)
        except DataError as error:
            return error

    problems: list[Problem] = []
    told = time.monotonic()
    from concurrent.futures import ThreadPoolExecutor  # here: the quick commands do without it

    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(shards), _AT_ONCE):  # a few at a time: all at once would fill memory twice
            for number, result in enumerate(pool.map(one, shards[start : start + _AT_ONCE]), start):
                if time.monotonic() - told > _PATIENCE:
                    LOG.warning(
                        "%s: the headers of %d of %d shards are read, once for all runs", key, number, len(shards)
                    )
                    told = time.monotonic()
                if isinstance(result, DataError):
                    problems.extend(result.problems)
                elif not problems:
                    yield result
    if problems:
        more = len(problems) - _NAMED
        rest = [Problem(message=f"{more} more shards cannot be used", key=key)] if more > 0 else []
        raise DataError(*problems[:_NAMED], *rest)


def _made(shard: Shard, key: str) -> ShardIndex:
    index = read_index(shard.path, key)
    try:
        if Shard.at(shard.path) == shard:  # one that is still being written is not kept
            _keep(shard, index)
    except OSError as error:  # a full or read-only disk: the next run reads the headers again
        LOG.info("the index of %s is not kept: %s", shown(shard.path), error)
    return index


def _file(shard: Shard) -> Path:
    digest = hashlib.sha256(os.fsencode(os.path.realpath(shard.path))).hexdigest()
    return cache_folder() / "shards" / f"{digest[:32]}.index"


def _state(shard: Shard) -> dict[str, object]:
    return {"format": FORMAT, "size": shard.size, "modified": shard.modified}


def _keep(shard: Shard, index: ShardIndex) -> None:
    """Write the cache's file whole or not at all; of processes that do so at once, the last one's stays."""
    import numpy as np

    path = _file(shard)
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    about = {**_state(shard), "path": shown(shard.path), "endings": index.endings, "notes": index.notes}
    np.save(packed, np.frombuffer(json.dumps(about).encode(), np.uint8))
    for name in _ARRAYS:
        np.save(packed, getattr(index, name))
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(packed.getbuffer())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _kept(shard: Shard) -> ShardIndex | None:
    """What the cache holds for the file in this state; None for nothing, or for what cannot be right."""
    import numpy as np

    try:
        with _file(shard).open("rb") as file:
            about = json.loads(np.load(file, allow_pickle=False).tobytes())
            if {key: about[key] for key in _state(shard)} != _state(shard):
                return None
            arrays = {name: np.load(file, allow_pickle=False) for name in _ARRAYS}
        index = ShardIndex(**arrays, endings=tuple(about["endings"]), notes=tuple(about["notes"]))
        ends = (index.key_ends, index.member_ends)
        lengths = (len(index.letters), len(index.ending))
        whole = all((end[-1] if len(end) else 0) == length for end, length in zip(ends, lengths))
        return index if whole and len(index.ending) == len(index.offset) == len(index.size) else None
    except (OSError, ValueError, KeyError, TypeError, EOFError):  # none there, torn by a full disk, of another program
        return None
