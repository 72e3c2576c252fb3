"""What the device can do: its fastest matrix product and convolution, measured; and memory, used and free."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from toonforge.train.process import peak_memory

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}
SIZE, SIZE_DEVICE = 1536, 8192
"""Rows and columns of the matrices, on a CPU and on a GPU."""
CHANNELS, PIXELS = 256, 64
"""Of the convolution: that of a ResNet generator's blocks at 256 pixels."""
PICTURES_DEVICE = 32
TRIES = 6
LONG = 0.5
"""Seconds after which two tries are enough."""


@torch.no_grad()
def rates(device: torch.device, precision: str) -> dict[str, float]:
    """Operations a second of a large matrix product and of a 3x3 convolution; the best of some tries each.

    Args:
        device: where.
        precision: the recipe's; the type of the numbers that are multiplied.
    """
    dtype, on_cpu = TYPES[precision], device.type == "cpu"
    size, pictures = (SIZE, 1) if on_cpu else (SIZE_DEVICE, PICTURES_DEVICE)
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    picture = torch.randn(pictures, CHANNELS, PIXELS, PIXELS, device=device).to(dtype)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device).to(dtype)
    if not on_cpu:
        picture, weight = (value.contiguous(memory_format=torch.channels_last) for value in (picture, weight))
    return {
        "matrix product": 2 * size**3 / _seconds(lambda: one @ other, device),
        "convolution": 2
        * 9
        * CHANNELS**2
        * PIXELS**2
        * pictures
        / _seconds(lambda: functional.conv2d(picture, weight, padding=1), device),
    }


def _seconds(compute: Callable[[], Tensor], device: torch.device) -> float:
    """The shortest of some tries, each of several calls on a GPU, where one is too short to be timed."""
    calls = 1 if device.type == "cpu" else 10
    best, first = float("inf"), time.perf_counter()
    for number in range(TRIES):
        if number >= 2 and time.perf_counter() - first > LONG:
            break
        began = time.perf_counter()
        for _ in range(calls):
            compute()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, (time.perf_counter() - began) / calls)
    return best


def peak_bytes(device: torch.device) -> int:
    """The largest memory that this process has used: of the GPU's allocator, or its own resident pages."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # What the system counts for a process since `fork` may be its parent's.
    return _of_proc("/proc/self/status", "VmHWM:") or peak_memory()


def free_bytes(device: torch.device) -> int:
    """What is left for others; 0 where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return _of_proc("/proc/meminfo", "MemAvailable:")


def _of_proc(file: str, key: str) -> int:
    try:
        with open(file, encoding="utf-8") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key)), 0)
    except OSError:
        return 0
