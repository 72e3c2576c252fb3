"""What is left after a power cut: what the system was made to wait for (`fsync`), and of the rest anything or nothing.

A file's bytes are sure once the file was synced, a name once its folder was. Two disks that keep that promise and no
more: one that loses everything else, and one that keeps all names (as journals do) and loses the bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from random import Random


class Durable:
    """Keeps a copy of what was synced below a folder; begun in the process that is to lose power.

    Args:
        root: the folder; what is in it already is on the disk.
        kept: a folder elsewhere for the copies.
    """

    def __init__(self, root: Path, kept: Path) -> None:
        self.kept = kept
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        self._open: list[int] = []
        self._real = os.fsync
        for path in (root, *root.rglob("*")):
            if not path.is_symlink():
                descriptor = os.open(path, os.O_RDONLY)
                self.synced(descriptor)
                os.close(descriptor)

    def synced(self, descriptor: int) -> None:
        """A file or folder was waited for."""
        # As long as it is open its number, by which copies are found, is not given to another file.
        self._open.append(os.dup(descriptor))
        about = os.fstat(descriptor)
        path = f"/proc/self/fd/{descriptor}"
        copy = self.kept / f"{about.st_ino}.copy"
        if stat.S_ISDIR(about.st_mode):
            names = {entry.name: [entry.inode(), entry.is_dir(follow_symlinks=False)] for entry in os.scandir(path)}
            copy.write_text(json.dumps(names), "utf-8")
        else:
            shutil.copyfile(path, copy)
        copy.replace(self.kept / str(about.st_ino))


def lose_power(root: Path, kept: Path, names_survive: bool, rng: Random) -> None:
    """Leave of a folder what a power cut may have left, now that the process is dead.

    Args:
        names_survive: whether only bytes are lost.
    """
    after = root.with_name(f"{root.name}.after")
    after.mkdir()
    if names_survive:
        _with_names(root, after, kept, rng)
    else:
        _sure(root.stat().st_ino, after, kept)
    shutil.rmtree(root)
    after.rename(root)


def _sure(number: int, to: Path, kept: Path) -> None:
    listing = kept / str(number)
    names = json.loads(listing.read_text("utf-8")) if listing.is_file() else {}
    for name, (inner, is_folder) in names.items():
        if is_folder:
            (to / name).mkdir()
            _sure(inner, to / name, kept)
        else:
            copy = kept / str(inner)
            (to / name).write_bytes(copy.read_bytes() if copy.is_file() else b"")


def _with_names(folder: Path, to: Path, kept: Path, rng: Random) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            (to / path.name).mkdir()
            _with_names(path, to / path.name, kept, rng)
            continue
        copy, now = kept / str(path.stat().st_ino), path.read_bytes()
        sure = copy.read_bytes() if copy.is_file() else b""
        if now != sure:
            least = len(sure) if now.startswith(sure) else 0
            now = now[: rng.randint(least, len(now))]
        (to / path.name).write_bytes(now)
