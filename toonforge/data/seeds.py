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


def seed_all(seed: int, *parts: int | str, device: torch.device | None = None) -> None:
    """Seed torch, numpy and random: whatever draws from them next is the same for the same parts.

    `device`: where else than on the processor torch may draw; anywhere when left out.
    """
    value = derive(seed, *parts)
    if device is None:
        torch.manual_seed(value)
    else:
        seed_torch(value, device)
    np.random.seed(value % 2**32)
    random.seed(value)


def seed_torch(value: int, device: torch.device) -> None:
    """Seed the processor's stream, and that of the device if it is another.

    `torch.manual_seed` seeds every kind of device that torch knows. For one that is not in use it notes down the stack
    of its caller each time, which took a tenth of a step of narrow networks and most of measuring small pictures.
    """
    torch.default_generator.manual_seed(value)
    if device.type != "cpu":
        getattr(torch, device.type, torch).manual_seed(value)


def seed_processor(value: int) -> None:
    """The same for a seed that was derived, without the devices: a hundredth of a millisecond, for each picture."""
    torch.default_generator.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)
