"""How a CUDA device computes products during a step: in TensorFloat-32 or not, by tuned convolutions or not.

The settings are the process's, not a network's, so they hold for the step alone: pictures and metrics are computed
with torch's own, in a run as afterwards.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from toonforge.speed.choice import Speed

# Torch 2.9 brought other names for the first two and refuses to read one set once the other was written. Its compiler
# still reads these.
SETTINGS: tuple[tuple[str, Any, str], ...] = (
    ("tf32", torch.backends.cuda.matmul, "allow_tf32"),
    ("tf32", torch.backends.cudnn, "allow_tf32"),
    ("tuned-convolutions", torch.backends.cudnn, "benchmark"),
)


@contextmanager
def settings_of(speed: Speed, device: torch.device) -> Iterator[None]:
    """Within it, `device` computes as `speed` says: without the trick `tf32`, every fp32 product is one of fp32.

    Outside of CUDA nothing changes. What was set before is set again afterwards, where torch can tell what that was.
    """
    if device.type != "cuda":
        yield
        return
    _hush()
    before = [(place, name, _known(place, name)) for _, place, name in SETTINGS]
    for trick, place, name in SETTINGS:
        setattr(place, name, trick in speed)
    try:
        yield
    finally:
        for place, name, value in before:
            if value is not None:
                setattr(place, name, value)


def _known(place: Any, name: str) -> bool | None:
    try:
        return bool(getattr(place, name))
    except RuntimeError:  # the program has set it by its newer name
        return None


@cache
def _hush() -> None:
    """Torch 2.9 and later ask for the newer names, once."""
    warnings.filterwarnings("ignore", message="Please use the new API settings to control TF32")
