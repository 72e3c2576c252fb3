"""What belongs to the whole process and no component may change: modes, defaults, streams of random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_STREAMS = ("torch's random state", "numpy's random state", "Python's random state")
_ADVICE = {
    "whether gradients are on": "use `with torch.no_grad():`, which ends with its block",
    "the default dtype": "give `dtype=` where a tensor is made, in place of torch.set_default_dtype",
    "the default device": "give `device=` where a tensor is made, in place of torch.set_default_device",
    "how many threads torch uses": "leave torch.set_num_threads to the user",
    "whether algorithms are deterministic": "leave torch.use_deterministic_algorithms to the user",
}


@contextmanager
def untouched(what: str, *, may_draw: bool = False, why: str = "") -> Iterator[None]:
    """Assert that what happens inside changes nothing of the process; modes that it changed are set back.

    Args:
        what: happens, as the beginning of a sentence: "forward() in eval mode".
        may_draw: it may draw from the streams of random numbers.
        why: it may not, and what to do.
    """
    before = _state()
    try:
        yield
        after = _state()
    finally:
        _set_back(before)
    for name, value in before.items():
        if not (may_draw and name in _STREAMS):
            assert after[name] == value, f"{what} changes {name}: {_ADVICE.get(name) or why}"


def _state() -> dict[str, Any]:
    import numpy as np
    import torch

    name, keys, *rest = np.random.get_state()
    return {
        "whether gradients are on": torch.is_grad_enabled(),
        "the default dtype": torch.get_default_dtype(),
        "the default device": str(torch.empty(0).device),
        "how many threads torch uses": torch.get_num_threads(),
        "whether algorithms are deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch's random state": torch.get_rng_state().numpy().tobytes(),
        "numpy's random state": (name, np.asarray(keys).tobytes(), *rest),
        "Python's random state": random.getstate(),
    }


def _set_back(before: dict[str, Any]) -> None:
    import torch

    setters: dict[str, Callable[[Any], Any]] = {
        "whether gradients are on": torch.set_grad_enabled,
        "the default dtype": torch.set_default_dtype,
        "the default device": torch.set_default_device,
        "how many threads torch uses": torch.set_num_threads,
        "whether algorithms are deterministic": torch.use_deterministic_algorithms,
    }
    now = _state()
    for name, setter in setters.items():
        if now[name] != before[name]:
            setter(before[name])


def seeds(build: Callable[[], object]) -> bool:
    """Whether `build` seeds torch's random state: what is drawn after it is then the same whatever it was before."""
    import torch

    drawn = []
    for seed in (11, 12):
        torch.manual_seed(seed)
        build()
        drawn.append(torch.rand(4))
    return torch.equal(*drawn)
