"""What a run asks of its process: whether there are others, how much memory it took."""

from __future__ import annotations

import sys

import torch


def in_group() -> bool:
    """Whether this process has joined others that train with it."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def device_name(device: torch.device) -> str:
    """What people are told of it: "cuda:1", or "cpu", of which there is one however many processes it has."""
    return "cpu" if device.type == "cpu" else str(device)


def peak_memory() -> int:
    """Peak bytes: of the GPU's allocator, or of this process where there is no GPU; 0 where the system does not say."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
