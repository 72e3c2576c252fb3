"""Recording what a device is given to do, to start all of it at once later on: CUDA graphs, behind an interface."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np
import torch


class Recorder(Protocol):
    """Notes down work on a device.

    What was noted works on the memory that it was recorded with: whoever does it again puts new numbers there first.
    """

    def apart(self) -> AbstractContextManager[None]:
        """Where all is computed that is recorded or may be later, the steps before included."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Note down what `work` gives the device to do, without doing it. What is returned does it, each time.

        Raises RuntimeError for work that looks at numbers.
        """

    def states(self) -> tuple[Any, Any]:
        """The random states that recorded work draws from each time anew, and those that it would draw from once."""


class CudaRecorder:
    """CUDA graphs on one device.

    All is computed on a stream of its own, whether recorded or not: autograd remembers on which stream a parameter's
    gradient was first summed, and a recording must not wait for another one. The graphs share their memory, since
    they are always replayed in the order in which they were recorded, and what they yield is used up within the step.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """See `Recorder`. Before and after, each stream waits for the other."""
        outside = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            outside.wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Recorder`. Other threads, which read pictures into page-locked memory, go on meanwhile."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
            work()
        replay: Callable[[], None] = graph.replay
        return replay

    def states(self) -> tuple[Any, Any]:
        """See `Recorder`. Neither waits for the device."""
        return torch.cuda.get_rng_state(self.device), (torch.get_rng_state(), host_states())


def host_states() -> tuple[Any, ...]:
    """The states of Python's and numpy's generators."""
    state: Any = np.random.get_state(legacy=False)
    return random.getstate(), state["state"]["key"].tobytes(), state["state"]["pos"]


def equal(one: Any, other: Any) -> bool:
    """Whether two random states are the same."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(torch.equal(one, other)) if isinstance(one, torch.Tensor) else bool(one == other)
