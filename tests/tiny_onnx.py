"""Writes small ONNX files byte by byte, so that tests of classifiers need no package that exports them.

Protocol buffers are fields of (number, kind, value): varints for numbers, a length and bytes for the rest. Numbers of
fields are those of onnx/onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

FLOAT = 1


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        out.append((value & 0x7F) | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def value_info(name: str, shape: Sequence[int | str]) -> bytes:
    sides = b"".join(field(1, field(1, side) if isinstance(side, int) else field(2, side)) for side in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, sides)))


def tensor(name: str, values: np.ndarray) -> bytes:
    values = np.ascontiguousarray(values, dtype="<f4")
    dims = b"".join(field(1, side) for side in values.shape)
    return dims + field(2, FLOAT) + field(8, name) + field(9, values.tobytes())


def node(operation: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operation)


def write_classifier(
    path: Path,
    weights: np.ndarray,
    bias: np.ndarray,
    *,
    softmax: bool = True,
    size: int | str = 8,
    batch: int | str = "N",
    channels: int = 3,
) -> Path:
    """softmax(weights x mean colour + bias) of pictures (N,channels,size,size); weights (classes,channels)."""
    nodes = [
        node("GlobalAveragePool", ["images"], "pooled"),
        node("Flatten", ["pooled"], "colour"),
        node("MatMul", ["colour", "weights"], "product"),
        node("Add", ["product", "bias"], "logits" if softmax else "scores"),
    ]
    if softmax:
        nodes.append(node("Softmax", ["logits"], "scores"))
    graph = (
        b"".join(field(1, each) for each in nodes)
        + field(2, "tiny")
        + field(5, tensor("weights", weights.T))
        + field(5, tensor("bias", bias))
        + field(11, value_info("images", [batch, channels, size, size]))
        + field(12, value_info("scores", [batch, len(bias)]))
    )
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 17)))
    return path
