"""Random streams of a step that depend on the seed and the step alone, so that a resume needs no saved state."""

from __future__ import annotations

import random

import numpy as np
import torch

from toonforge.data.seeds import derive

__all__ = ["derive", "seed_call", "seed_step"]

PROCESSOR = torch.device("cpu")


def seed_step(seed: int, step: int, rank: int, device: torch.device = PROCESSOR) -> None:
    """Seed torch, numpy and random for a step: whatever draws from them is the same after a resume."""
    value = derive(seed, "step", step, rank)
    _seed_torch(value, device)
    np.random.seed(value % 2**32)
    random.seed(value)


def seed_call(seed: int, step: int, part: int, rank: int, text: str, device: torch.device = PROCESSOR) -> None:
    """Seed torch for one call of a network or an op: dropout and noise draw once per expression and step."""
    _seed_torch(derive(seed, "call", step, part, rank, text), device)


def _seed_torch(value: int, device: torch.device) -> None:
    """Seed the processor's stream, and that of the device if it is another.

    `torch.manual_seed` seeds every kind of device that torch knows. For one that is not in use it notes down the stack
    of its caller each time, which took a tenth of a step of narrow networks.
    """
    torch.default_generator.manual_seed(value)
    if device.type != "cpu":
        getattr(torch, device.type, torch).manual_seed(value)
