"""What a run asks of its process: Ctrl-C, whether there are others, how much memory it took."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch


class Interrupts:
    """The first Ctrl-C or SIGTERM asks the run to save and stop; the second one leaves at once.

    Attributes:
        asked: whether there was a first one.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.asked, self._tell = False, tell

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals; outside the main thread, where that is impossible, leave them alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._tell()


def in_group() -> bool:
    """Whether this process has joined others that train with it."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def peak_memory() -> int:
    """Peak bytes: of the GPU's allocator, or of this process where there is no GPU; 0 where the system does not say."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
