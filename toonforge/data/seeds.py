"""Random streams named by what they are for: the same whenever and wherever that is computed, so none is saved."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive(seed: int, *parts: int | str) -> int:
    """A 63-bit seed for one purpose: the same for the same parts, unrelated for any others."""
    text = "\x1f".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_all(seed: int, *parts: int | str) -> None:
    """Seed torch, numpy and random: whatever draws from them next is the same for the same parts."""
    value = derive(seed, *parts)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)


def seed_processor(value: int) -> None:
    """The same for a seed that was derived, without the devices: a hundredth of a millisecond, for each picture."""
    torch.default_generator.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)
