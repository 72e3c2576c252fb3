"""Recording what a device is given to do, to start all of it at once later on: CUDA graphs, behind an interface."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from toonforge.errors import Problem, RunError

LOOKING = frozenset(
    {"_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "unique2", "_unique2"}
)
MOVING = frozenset({"_to_copy", "copy_"})


class Recorder(Protocol):
    """Notes down work on a device.

    What was noted works on the memory that it was recorded with: whoever does it again puts new numbers there first.
    """

    def apart(self) -> AbstractContextManager[None]:
        """Where all is computed that is recorded or may be later, the steps before included."""

    def record(self, work: Callable[[], None], kind: Hashable) -> Callable[[], None]:
        """Note down what `work` gives the device to do, without doing it. What is returned does it, each time.

        What is recorded of one `kind` is always replayed in the order in which it was recorded, other kinds in between
        or not.

        Raises RuntimeError for work that looks at numbers.
        """

    def states(self) -> tuple[Any, Any]:
        """The random states that recorded work draws from each time anew, and those that it would draw from once."""


class CudaRecorder:
    """CUDA graphs on one device.

    All is computed on a stream of its own, whether recorded or not: autograd remembers on which stream a parameter's
    gradient was first summed, and a recording must not wait for another one. The graphs of one kind of step share their
    memory, since they are always replayed in the order in which they were recorded, and what they yield is used up
    within the step. Other kinds come in any order, and have memory of their own.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pools: dict[Hashable, Any] = {}

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

    def record(self, work: Callable[[], None], kind: Hashable) -> Callable[[], None]:
        """See `Recorder`. Other threads, which read pictures into page-locked memory, go on meanwhile."""
        if kind not in self.pools:
            self.pools[kind] = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pools[kind], stream=self.stream, capture_error_mode="thread_local"):
            work()
        replay: Callable[[], None] = graph.replay
        return replay

    def states(self) -> tuple[Any, Any]:
        """See `Recorder`. Neither waits for the device."""
        return torch.cuda.get_rng_state(self.device), (torch.get_rng_state(), host_states())


class Looks(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within it, `told` hears of every operation that waits for a device's numbers, or moves some between devices.

    Recorded work can do neither: when it is replayed, nobody is there to look.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.told = told

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do the operation, and tell of it where it is one of these."""
        name = func.overloadpacket.__name__
        if name in LOOKING or (name in MOVING and _between(args, kwargs or {})):
            self.told(name)
        return func(*args, **(kwargs or {}))


def _between(args: Any, kwargs: Mapping[str, Any]) -> bool:
    devices = {value.device.type for value in tree_leaves(args) if isinstance(value, torch.Tensor)}
    wanted = kwargs.get("device")
    return len(devices | ({torch.device(wanted).type} if wanted is not None else set())) > 1


def cannot_record(phase: str, error: RuntimeError) -> RunError:
    """For work that nothing spoke against beforehand: a recording that failed leaves nothing to go on with."""
    # The end of a recording fails too, after what made it fail.
    cause = error.__context__ if isinstance(error.__context__, RuntimeError) else error
    return RunError(
        Problem(
            message=f"the phase {phase} cannot be recorded as a CUDA graph",
            key="train.speed",
            found=str(cause).strip().partition("\n")[0],
            hint='leave "cuda-graphs" out of train.speed',
        )
    )


def host_states() -> tuple[Any, ...]:
    """The states of Python's and numpy's generators."""
    state: Any = np.random.get_state(legacy=False)
    return random.getstate(), state["state"]["key"].tobytes(), state["state"]["pos"]


@contextmanager
def hosts_kept() -> Iterator[None]:
    """Afterwards Python's and numpy's generators are as they were before."""
    python, numpy = random.getstate(), np.random.get_state(legacy=False)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def equal(one: Any, other: Any) -> bool:
    """Whether two random states are the same."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, torch.Tensor):  # by numpy, as torch's own comparison would be taken for looking at numbers
        return bool(np.array_equal(one.numpy(), other.numpy()))
    return bool(one == other)
