"""What a run asks of its process: Ctrl-C, whether there are others, how much memory it took."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import torch

MOMENT = 0.5
"""Seconds within which signals are one request: nobody answers the message of the first one faster."""


class Interrupts:
    """The first Ctrl-C or SIGTERM asks the run to save and stop; the second one leaves at once.

    One request may come as several signals: from the terminal or the process group, once more from the process that
    started this one, and `timeout` sends two by itself. So the handler stays for a moment, in which further signals
    arrive at once (after it, a long computation might hold them up) and count as the same request.

    Args:
        tell: says that the run will stop. Where that cannot be written, the run stops all the same.

    Attributes:
        asked: whether there was a first one.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.asked, self._tell, self._staying = False, tell, False

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
        if self._staying:
            return
        again, self.asked, self._staying = self.asked, True, True
        try:
            if not again:
                # Its reader may be gone, and this handler may have come in the middle of another write.
                with suppress(OSError, RuntimeError, ValueError):
                    self._tell()
            time.sleep(MOMENT)
        finally:
            self._staying = False
        if again:
            raise KeyboardInterrupt


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
