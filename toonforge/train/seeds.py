"""Random streams of a step that depend on the seed and the step alone, so that a resume needs no saved state."""

from __future__ import annotations

import torch

from toonforge.data.seeds import derive, seed_all

__all__ = ["derive", "seed_call", "seed_step"]


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch, numpy and random for a step: whatever draws from them is the same after a resume."""
    seed_all(seed, "step", step, rank)


def seed_call(seed: int, step: int, part: int, rank: int, text: str) -> None:
    """Seed torch for one call of a network or an op: dropout and noise draw once per expression and step."""
    torch.manual_seed(derive(seed, "call", step, part, rank, text))
