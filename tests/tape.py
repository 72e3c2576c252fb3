"""A stand-in for CUDA graphs on a CPU: it notes down every operation with its memory, and does them again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from toonforge.speed.capture import host_states

LOOKS = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal")
"""Operations that wait for numbers, which CUDA refuses while it records."""


class Tape(TorchDispatchMode):
    """What was done, in order: (operation, arguments, results)."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in LOOKS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def play(self) -> None:
        for func, args, kwargs, result in self.calls:
            # Autograd counts changes of a tensor, but knows nothing of a graph that is replayed.
            args, kwargs = tree_map(lambda value: value.data if isinstance(value, Tensor) else value, (args, kwargs))
            again = func(*args, **kwargs)
            for now, place in zip(tree_leaves(again), tree_leaves(result), strict=True):
                if isinstance(place, Tensor) and not _same_memory(now, place):
                    place.data.copy_(now)


class TapeRecorder:
    """See `toonforge.speed.capture.Recorder`. As on a GPU, what is recorded has not been computed until it is replayed:
    all results are nan until then, and the networks are as before.

    Args:
        networks: whose buffers recorded work may change.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self.networks = networks
        self.recorded = self.replayed = self.depth = 0

    @contextmanager
    def apart(self) -> Iterator[None]:
        assert self.depth == 0
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def record(self, work: Callable[[], None], kind: Hashable) -> Callable[[], None]:
        assert self.depth == 1, "recorded apart from where it was warmed up"
        held = [value for network in self.networks.values() for value in network.state_dict().values()]
        before = [value.clone() for value in held]
        seeded = torch.get_rng_state()
        tape = Tape()
        try:
            with tape:
                work()
        finally:
            with torch.no_grad():
                for value, old in zip(held, before, strict=True):
                    value.data.copy_(old)
            torch.set_rng_state(seeded)
        self.recorded += 1
        inputs, made = {_memory(value) for value in held}, set[int]()
        for _, args, kwargs, result in tape.calls:
            read = {_memory(value) for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
            inputs |= read - made
            made |= {_memory(value) for value in tree_leaves(result) if isinstance(value, Tensor)} - inputs
        for *_, result in tape.calls:
            for value in tree_leaves(result):
                if isinstance(value, Tensor) and value.is_floating_point() and _memory(value) in made:
                    value.data.fill_(torch.nan)

        def replay() -> None:
            self.replayed += 1
            tape.play()

        return replay

    def states(self) -> tuple[Any, Any]:
        return torch.get_rng_state(), host_states()


def _memory(value: Any) -> int:
    return value.untyped_storage().data_ptr() if isinstance(value, Tensor) else 0


def _same_memory(one: Any, other: Tensor) -> bool:
    return isinstance(one, Tensor) and _memory(one) == _memory(other)
