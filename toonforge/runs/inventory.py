"""checkpoint.json: what a checkpoint's folder holds, so that a damaged one is known before it is used. Needs no torch.

The file ends with a checksum of all that comes before in it; that stays so in every later format, so that a flipped bit
is told from a newer toonforge. Format 1 had no such line.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import attrs

from toonforge.errors import Problem, RunError
from toonforge.files import checksum
from toonforge.runs.metadata import NEEDS, refuse_newer
from toonforge.runs.reading import LARGEST, shallow

FORMAT = 2
"""Of checkpoints; a newer one is refused, an older one is read."""
NAME = "checkpoint.json"
FOLDER = re.compile(r"step-(\d{6,})\Z", re.ASCII)
"""The name of a checkpoint's folder."""
_TENSORS = ".safetensors"
_SEAL = b',\n "checksum": "'
_SUM = re.compile(r"[0-9a-f]{64}\Z")
_MOST = 1 << 24
"""Bytes of checkpoint.json that are read: more is none."""


@attrs.frozen(kw_only=True)
class Inventory:
    """What a checkpoint says of itself.

    Attributes:
        step: steps done.
        processes: how many wrote it.
        files: name -> SHA-256 of its contents, of every file but checkpoint.json.
        run: by what the run is known, `recipe` and `seed`; nothing in format 1.
    """

    step: int
    processes: int
    files: Mapping[str, str]
    run: Mapping[str, Any] = attrs.field(factory=dict)


def write_inventory(folder: Path, inventory: Inventory) -> None:
    """Write checkpoint.json into a folder whose files are written."""
    about = {"format": FORMAT, "needs": NEEDS, **attrs.asdict(inventory)}
    (folder / NAME).write_bytes(sealed(json.dumps(about, indent=1).encode().removesuffix(b"\n}")))


def sealed(head: bytes) -> bytes:
    """checkpoint.json: all of it but its checksum, and that."""
    return head + _SEAL + hashlib.sha256(head).hexdigest().encode() + b'"\n}\n'


def read_inventory(folder: Path) -> Inventory:
    """What a checkpoint says of itself.

    Raises:
        NewerFormatError: only a later toonforge reads it.
        RunError: it says nothing, or not what was written.
    """
    path = folder / NAME
    try:
        return parsed(folder, _bytes(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise RunError(Problem(message=f"{folder} is no whole checkpoint", found=f"{NAME}: {found}")) from None


def parsed(folder: Path, data: bytes) -> Inventory:
    """The contents of a folder's checkpoint.json; any of several errors where they are not as they were written."""
    head, seal, _ = data.rpartition(_SEAL)
    if seal and sealed(head) != data:
        raise ValueError("it is damaged: its checksum does not fit")
    about = shallow(json.loads(data))
    written = about["format"]
    if type(written) is not int or written < 1:
        raise ValueError(f"its format is {written!r}")
    refuse_newer(folder, written, FORMAT, about.get("needs"))
    if written > 1 and not seal:
        raise ValueError("it is damaged: its checksum is missing")
    step, processes, files = about["step"], about["processes"], about["files"]
    named = FOLDER.match(folder.name)
    if type(step) is not int or not 0 <= step < LARGEST or (named and int(named[1]) != step):
        raise ValueError(f"it is of step {step!r}, which is not its folder's")
    if type(processes) is not int or processes < 1:
        raise ValueError(f"its number of processes is {processes!r}")
    odd = next((n for n, s in files.items() if not _plain(n) or not isinstance(s, str) or not _SUM.match(s)), None)
    if odd is not None or not files:
        raise ValueError(f"it lists {odd!r}, which is no file of a checkpoint" if files else "it lists no files")
    return Inventory(step=step, processes=processes, files=dict(files), run=dict(about.get("run", {})))


def _plain(name: str) -> bool:
    """Whether it is the name of a file in the folder, and nothing else."""
    return name not in ("", ".", "..", NAME) and "\0" not in name and PurePath(name).name == name


def _bytes(path: Path) -> bytes:
    if (odd := _no_file(path)) is not None:
        raise ValueError(f"it {odd}")
    if path.stat().st_size > _MOST:
        raise ValueError("it is far too large")
    return path.read_bytes()


def damage(folder: Path, only: Callable[[str], bool] = lambda name: True) -> Problem | None:
    """What is wrong with the files of a checkpoint, all of it; None where it is whole.

    Files of other programs that lie there are no damage; tensors are, since they would be taken for the checkpoint's.

    Args:
        folder: of the checkpoint.
        only: whether a file of that name matters.

    Raises:
        NewerFormatError: only a later toonforge knows.
    """
    try:
        files = read_inventory(folder).files
        there = {path.name for path in folder.iterdir() if path.suffix == _TENSORS and not path.name.startswith(".")}
    except OSError as error:
        return Problem(message=f"{folder} cannot be read", found=error.strerror)
    except RunError as error:
        if type(error) is not RunError:
            raise
        return error.problems[0]
    wrong = [
        f"{name} {found}"
        for name in sorted({*files, *there})
        if only(name) and (found := _wrong(folder / name, files.get(name))) is not None
    ]
    return Problem(message=f"{folder} is damaged", found="; ".join(wrong)) if wrong else None


def _wrong(path: Path, expected: str | None) -> str | None:
    if expected is None:
        return f"is not of this checkpoint: {NAME} does not list it"
    if (odd := _no_file(path)) is not None:
        return odd
    try:
        found = checksum(path)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if found == expected:
        return None
    if not path.stat().st_size:
        return "is empty"
    return f"is not as it was written (sha256 {found[:12]}…, not {expected[:12]}…)"


def _no_file(path: Path) -> str | None:
    """Why a path is no regular file of this folder, in words. A link might lead elsewhere, a pipe might never end."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISREG(mode):
        return None
    return "is a link" if stat.S_ISLNK(mode) else "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
