"""The header of a safetensors file, read as it stands: the library's own reader would load numpy or torch for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

_LENGTH = 8
"""Bytes at the beginning: how long the header is, the lowest byte first."""
LONGEST = 100_000_000
"""Bytes of header that the library reads."""


@attrs.frozen
class Header:
    """What a safetensors file says before its numbers begin.

    Attributes:
        names: of its tensors, in the header's order.
        about: what whoever wrote it added.
    """

    names: tuple[str, ...]
    about: dict[str, object]


def read_header(path: Path) -> Header:
    """Read it; the numbers are not looked at, but all of them have to be there.

    Raises:
        OSError: it cannot be read, or is no regular file.
        ValueError: it is no safetensors file, or cut short, or longer than its header says.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError("it is no regular file")
    with path.open("rb") as file:
        there = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(_LENGTH), "little")
        if there < _LENGTH or length > min(LONGEST, there - _LENGTH):
            raise ValueError("it does not begin with a header as long as it says")
        header = json.loads(file.read(length).decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError(f"its header is {type(header).__name__}, not a table")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict):
        raise ValueError(f"its description is {type(about).__name__}, not a table")
    end = 0
    for begins, ends in sorted(tuple(tensor["data_offsets"]) for tensor in header.values()):
        if begins != end or ends < begins:
            raise ValueError("its tensors do not lie one behind the other")
        end = ends
    if end != there - _LENGTH - length:
        raise ValueError(f"{there - _LENGTH - length} bytes follow its header, which speaks of {end}")
    return Header(tuple(header), about)
