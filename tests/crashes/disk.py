"""Every change of the disk by a process, counted, so that it can be killed at each of them: before it, or half-way.

Wrapped are the functions of `os`, files opened for writing, whatever writes through them, and safetensors. Python's
own buffers are kept: what is counted as a write is what the system is asked for.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import attrs

from tests.crashes.doing import Page, end_here
from tests.crashes.power import Durable

_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@attrs.frozen
class Operation:
    """One change of the disk: what is called, on what below the watched folder, whether it can be half done, and what
    the run was doing."""

    name: str
    path: str
    tears: bool
    doing: str


def operations(listing: Path) -> list[Operation]:
    """All operations of a process, in order."""
    lines = (line.split("\t") for line in listing.read_text("utf-8").splitlines())
    return [Operation(name, path, tears == "tears", doing) for name, path, tears, doing in lines]


class Disk:
    """Counts and kills in this process, for good.

    Args:
        root: the folder that is watched.
        page: gets the count.
        stop: at which operation to end this process, counted from 1; None for never.
        torn: half-way in it, where it can be half done: a part of the bytes is written.
        durable: told of what is waited for to be on the disk.
        listing: file for a line an operation, as `operations` reads it.
    """

    def __init__(
        self,
        root: Path,
        page: Page,
        *,
        stop: int | None = None,
        torn: bool = False,
        durable: Durable | None = None,
        listing: Path | None = None,
    ) -> None:
        self.root, self.page, self.stop, self.torn, self.durable = (
            f"{root.resolve()}{os.sep}",
            page,
            stop,
            torn,
            durable,
        )
        # Not through `open`, which is counted.
        self._listing = io.FileIO(listing, "w") if listing is not None else None
        self.rng = Random(stop)

    def watch(self) -> None:
        """Wrap what changes the disk."""
        for name, ends in (("rename", 2), ("replace", 2), ("link", 2), ("symlink", 2), ("unlink", 1), ("remove", 1)):
            self._wrap_paths(name, ends)
        for name in ("mkdir", "rmdir", "truncate"):
            self._wrap_paths(name, 1)
        for name in ("fsync", "fdatasync", "ftruncate", "write", "pwrite", "posix_fallocate"):
            self._wrap_descriptor(name)
        self._wrap_open()
        self._wrap_safetensors()

    def point(self, name: str, path: str | None, tear: Callable[[], None] | None = None) -> None:
        """An operation is about to happen."""
        if path is None or not path.startswith(self.root):
            return
        if self._listing is not None:
            line = f"{name}\t{path.removeprefix(self.root)}\t{'tears' if tear is not None else ''}\t{self.page.doing}\n"
            self._listing.write(line.encode())
        if self.page.count_operation() == self.stop:
            if self.torn and tear is not None:
                tear()
            end_here()

    def _set(self, module: Any, name: str, wrapped: Callable[..., Any]) -> None:
        setattr(module, name, wrapped)
        import pathlib

        old = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 keeps the functions that it found at its import
        if old is not None and hasattr(old, name):
            setattr(old, name, staticmethod(wrapped))

    def _wrap_paths(self, name: str, ends: int) -> None:
        inner = getattr(os, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            at = kwargs.get("dir_fd", kwargs.get("dst_dir_fd"))
            self.point(name, _absolute(args[ends - 1], at))
            return inner(*args, **kwargs)

        self._set(os, name, wrapped)

    def _wrap_descriptor(self, name: str) -> None:
        inner = getattr(os, name, None)
        if inner is None:
            return

        def wrapped(descriptor: Any, *args: Any) -> Any:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            path = _path_of(number)
            if name in ("write", "pwrite") and path is not None:
                data, *rest = args
                self.point(name, path, lambda: inner(number, bytes(data)[: self._part(len(data))], *rest) and None)
            else:
                self.point(name, path)
            result = inner(number, *args)
            if name in ("fsync", "fdatasync") and self.durable is not None and path is not None:
                self.durable.synced(number)
            return result

        setattr(os, name, wrapped)

    def _wrap_open(self) -> None:
        low = os.open

        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & _FLAGS:
                self.point("open", _absolute(path, dir_fd))
            return low(path, flags, mode, dir_fd=dir_fd)

        self._set(os, "open", opened)
        high, disk = io.open, self

        class Counted(io.FileIO):
            """A file that is written; the last stop before the system."""

            written = 0

            def write(self, data: Any) -> int:
                block = bytes(data)
                disk.point(
                    "write", self.at, lambda: super(Counted, self).write(block[: disk._part(len(block))]) and None
                )
                count = super().write(block)
                self.written += count
                return count

            def close(self) -> None:
                # Pillow and shutil write past Python's files where they can.
                if not self.closed and os.fstat(self.fileno()).st_size != self.before + self.written:
                    disk.point("write and close", self.at, lambda: disk._cut(self.at))
                super().close()

            @property
            def at(self) -> str:
                return _absolute(self.name)

        def open_file(
            file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None,
            closefd: bool = True, opener: Any = None,
        ) -> Any:  # fmt: skip
            writes = bool(set(mode) & set("wax+"))
            if not writes or isinstance(file, int) or not _absolute(file).startswith(disk.root):
                return high(file, mode, buffering, encoding, errors, newline, closefd, opener)
            disk.point("open", _absolute(file))
            raw = Counted(file, mode.replace("b", "").replace("t", ""), opener=opener)
            raw.before = os.fstat(raw.fileno()).st_size
            if buffering == 0:
                return raw
            buffered: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        builtins.open = open_file
        self._set(io, "open", open_file)

    def _wrap_safetensors(self) -> None:
        from safetensors import torch as saving

        inner = saving.serialize_file

        def wrapped(tensors: Any, filename: Any, *args: Any, **kwargs: Any) -> None:
            def tear() -> None:
                inner(tensors, filename, *args, **kwargs)
                self._cut(filename)

            self.point("save", _absolute(filename), tear)
            inner(tensors, filename, *args, **kwargs)

        saving.serialize_file = wrapped

    def _part(self, size: int) -> int:
        return self.rng.randrange(size) if size else 0

    def _cut(self, path: Any) -> None:
        with io.FileIO(path, "r+") as file:
            file.truncate(self._part(os.fstat(file.fileno()).st_size))


def _absolute(path: Any, folder: int | None = None) -> str:
    text = os.fsdecode(path)
    if folder is not None and not os.path.isabs(text):
        return os.path.join(_path_of(folder) or "", text)
    return os.path.realpath(os.path.dirname(os.path.abspath(text))) + os.sep + os.path.basename(text)


def _path_of(descriptor: int) -> str | None:
    """Where an open file or folder lies."""
    kind = os.fstat(descriptor).st_mode
    return os.readlink(f"/proc/self/fd/{descriptor}") if stat.S_ISREG(kind) or stat.S_ISDIR(kind) else None
