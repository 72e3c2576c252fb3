"""What a safetensors file says is read without the library, and refused where the library would refuse it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from toonforge.errors import RunError
from toonforge.runs.header import read_header
from toonforge.runs.metadata import read_metadata


def written(path: Path, header: object, numbers: bytes = b"", length: int | None = None) -> Path:
    """A file with this header, which need not be one."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + numbers)
    return path


def tensor(begins: int, ends: int) -> dict[str, object]:
    return {"dtype": "U8", "shape": [ends - begins], "data_offsets": [begins, ends]}


def test_names_and_description_are_those_that_the_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    kinds = (torch.bool, torch.uint8, torch.int16, torch.float16, torch.float32, torch.int64, torch.float64)
    tensors = {"b": torch.ones(3), "a": torch.zeros(0), "é": torch.ones(2, 2, dtype=torch.bfloat16)}
    tensors |= {str(kind): torch.ones(3, dtype=kind) for kind in (*kinds, torch.complex64, torch.float8_e4m3fn)}
    for about in (None, {"toonforge": "ü"}):
        save_file(tensors, path, about)
        found = read_header(path)
        with safe_open(path, framework="pt") as file:
            assert sorted(found.names) == sorted(file.keys())
            assert found.about == (file.metadata() or {}) == (about or {})


BAD = {
    "empty": b"",
    "shorter than a length": b"abc",
    "no JSON": (b"{'a'", b"", None),
    "no UTF-8": (b'{"\xff": 1}', b"", None),
    "a list": ([1], b"", None),
    "a length beyond the file": ({}, b"", 1 << 40),
    "a description that is no table": ({"__metadata__": [1]}, b"", None),
    "a tensor that is no table": ({"a": 1}, b"", None),
    "a tensor that lies nowhere": ({"a": {"dtype": "U8", "shape": [1]}}, b"x", None),
    "cut": ({"a": tensor(0, 4)}, b"xxx", None),
    "longer than it says": ({"a": tensor(0, 4)}, b"xxxxx", None),
    "a gap": ({"a": tensor(0, 2), "b": tensor(3, 4)}, b"xxxx", None),
    "an overlap": ({"a": tensor(0, 3), "b": tensor(2, 4)}, b"xxxx", None),
    "backwards": ({"a": tensor(0, 4), "b": {"dtype": "U8", "shape": [0], "data_offsets": [4, 3]}}, b"xxx", None),
    "numbers that are not there": ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"xxxx", None),
    "fewer numbers than are there": ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}, b"x" * 8, None),
    "no type": ({"a": {"dtype": "pickle", "shape": [4], "data_offsets": [0, 4]}}, b"xxxx", None),
    "a negative shape": ({"a": {"dtype": "U8", "shape": [-2, -2], "data_offsets": [0, 4]}}, b"xxxx", None),
    "half a shape": ({"a": {"dtype": "U8", "shape": [0.5, 8], "data_offsets": [0, 4]}}, b"xxxx", None),
    "an endless shape": ({"a": {"dtype": "U8", "shape": [1 << 62] * 9 + [0], "data_offsets": [0, 0]}}, b"", None),
    "deep": (b'{"a":' + b"[" * 100_000, b"", None),
}


@pytest.mark.parametrize("what", BAD)
def test_what_the_library_refuses_is_refused(tmp_path: Path, what: str) -> None:
    bad, path = BAD[what], tmp_path / "bad.safetensors"
    if isinstance(bad, bytes):
        path.write_bytes(bad)
    else:
        written(path, *bad)
    with pytest.raises((SafetensorError, RecursionError)), safe_open(path, framework="pt"):
        pass
    with pytest.raises((ValueError, TypeError, KeyError, RecursionError)):
        read_header(path)
    with pytest.raises(RunError, match="is no weights file of toonforge"):
        read_metadata(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(OSError, match="no regular file"):
        read_header(tmp_path / "pipe.safetensors")
