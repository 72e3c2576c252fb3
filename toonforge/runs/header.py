"""The header of a safetensors file, read as it stands: the library's own reader would load numpy or torch for it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

_LENGTH = 8
"""Bytes at the beginning: how long the header is, the lowest byte first."""
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Type of a tensor's numbers -> how many bits one takes. Those that share a byte are written by nothing here."""
_MOST = 1 << 64
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
        if length > min(LONGEST, there - _LENGTH):
            raise ValueError("it does not begin with a header as long as it says")
        header = json.loads(file.read(length).decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError(f"its header is {type(header).__name__}, not a table")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict):
        raise ValueError(f"its description is {type(about).__name__}, not a table")
    end = 0
    for begins, ends, bits in sorted((*tensor["data_offsets"], _bits(tensor)) for tensor in header.values()):
        if begins != end:
            raise ValueError("its tensors do not lie one behind the other")
        if bits != 8 * (ends - begins):
            raise ValueError("a tensor's shape is not of as many numbers as are there")
        end = ends
    if end != there - _LENGTH - length:
        raise ValueError(f"{there - _LENGTH - length} bytes follow its header, which speaks of {end}")
    return Header(tuple(header), about)


def _bits(tensor: Mapping[str, Any]) -> int:
    """How much room a tensor of this type and shape takes."""
    bits = _BITS.get(tensor["dtype"])
    if bits is None:
        raise ValueError(f"a tensor's type is {tensor['dtype']!r}, expected {', '.join(_BITS)}")
    for size in tensor["shape"]:
        if not isinstance(size, int) or size < 0 or bits > _MOST:
            raise ValueError("a tensor's shape is none")
        bits *= size
    return bits
