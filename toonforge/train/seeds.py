"""Random streams that depend on the seed and the step alone, so that a resume needs no saved state."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive(seed: int, *parts: int | str) -> int:
    """A 63-bit seed for one purpose: the same for the same parts, unrelated for any others."""
    text = "\x1f".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch, numpy and random for a step: whatever draws from them is the same after a resume."""
    value = derive(seed, "step", step, rank)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)


def seed_call(seed: int, step: int, part: int, rank: int, text: str) -> None:
    """Seed torch for one call of a network or an op: dropout and noise draw once per expression and step."""
    torch.manual_seed(derive(seed, "call", step, part, rank, text))
