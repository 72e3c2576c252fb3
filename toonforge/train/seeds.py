"""Random streams of a step that depend on the seed and the step alone, so that a resume needs no saved state."""

from __future__ import annotations

import random

import numpy as np
import torch

from toonforge.data.seeds import derive, seed_torch

__all__ = ["derive", "seed_call", "seed_step"]

PROCESSOR = torch.device("cpu")


def seed_step(seed: int, step: int, rank: int, device: torch.device = PROCESSOR) -> None:
    """Seed torch, numpy and random for a step: whatever draws from them is the same after a resume."""
    value = derive(seed, "step", step, rank)
    seed_torch(value, device)
    np.random.seed(value % 2**32)
    random.seed(value)


def seed_call(seed: int, step: int, part: int, rank: int, text: str, device: torch.device = PROCESSOR) -> None:
    """Seed torch for one call of a network or an op: dropout and noise draw once per expression and step."""
    seed_torch(derive(seed, "call", step, part, rank, text), device)
