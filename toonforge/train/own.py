"""What each of several processes has for itself: networks' buffers that differ from the first process's, and memories.

Parameters are the same everywhere, since gradients are averaged. Buffers need not be: batch norm keeps running averages
of its own process's pictures. Which process keeps what says the files' names: `buffers.rank1.safetensors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn

from toonforge.train.state import buffers_of, put_buffer, same

_OWN = re.compile(r"(ops|buffers)\.rank(\d+)\.safetensors\Z")


def memory_file(rank: int) -> str:
    """Holds what a process's ops and losses remember."""
    return f"ops.rank{rank}.safetensors"


def buffers_file(rank: int) -> str:
    """Holds a process's own buffers, by "file's stem::key"."""
    return f"buffers.rank{rank}.safetensors"


def differing_buffers(modules: Mapping[str, nn.Module], first: Path) -> dict[str, Tensor]:
    """The buffers of this process that are not, bit for bit, those of the first one.

    Args:
        modules: by their file's stem.
        first: the folder where the first process has written them.
    """
    found: dict[str, Tensor] = {}
    for stem, module in modules.items():
        with safe_open(first / f"{stem}.safetensors", framework="pt") as file:
            for key, value in buffers_of(module).items():
                if not same(value.cpu(), file.get_tensor(key)):
                    found[f"{stem}::{key}"] = value
    return found


def put_buffers(modules: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Put back what `differing_buffers` gave."""
    for name, value in tensors.items():
        stem, _, key = name.partition("::")
        put_buffer(modules[stem], key, value)


def owners(folder: Path, files: Iterable[str]) -> list[str]:
    """What in a checkpoint belongs to one process, in words; nothing where any number of processes can go on.

    Args:
        folder: of the checkpoint.
        files: the names of its files.
    """
    found = []
    for match in filter(None, map(_OWN.match, sorted(files))):
        with safe_open(folder / match[0], framework="pt") as file:
            keys = sorted({key.partition("::")[0] for key in file.keys()})  # noqa: SIM118 -- no mapping
        if keys:  # format 1 has a file for each process, whether or not it remembers anything
            what = "buffers of " if match[1] == "buffers" else ""
            found.append(f"process {match[2]} has {what}{', '.join(keys)} of its own")
    return found
