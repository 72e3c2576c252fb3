"""Reads batches in a thread, so that whoever waits for one can stop waiting."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

import attrs
import torch

LONG = 30.0
"""Seconds after which a batch is late, and between two times that this is said."""
GRACE = 1.0
"""Seconds in which an abandoned reader may end by itself."""

T = TypeVar("T")


@attrs.frozen
class _Failed:
    """What reading raised."""

    error: BaseException


class Reader(Generic[T]):
    """Reads one batch at a time, each when it is asked for. Leave it with `with`, which ends what was started to read.

    Args:
        batches: iterated over in the thread alone.
        ahead: how many batches are read before they are asked for: while the one before them is used.
    """

    END: Final = object()

    def __init__(self, batches: Iterable[T], ahead: int = 0) -> None:
        self._asks: SimpleQueue[bool] = SimpleQueue()
        for _ in range(ahead):
            self._asks.put(True)
        self._here: SimpleQueue[Any] = SimpleQueue()
        self._before = {*multiprocessing.active_children()}
        # A thread has a current device of its own; memory for copies belongs to that.
        self._device = torch.cuda.current_device() if torch.cuda.is_available() else None
        self._thread = threading.Thread(target=self._read, args=(batches,), name="toonforge-reader", daemon=True)

    def __enter__(self) -> Reader[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the thread, and the processes that it started; one that hangs in the system is left behind."""
        self._asks.put(False)
        self._thread.join(GRACE)
        if self._thread.is_alive() and (started := self._started()):
            for process in started:
                process.kill()
            self._thread.join(GRACE)

    def next(self, stop: Callable[[], bool], slow: Callable[[float], None] | None = None) -> T | object:
        """The next batch; `END` after the last one; anything at all where `stop` says to wait no longer.

        Args:
            stop: asked before waiting, and after each `wake`.
            slow: told how many seconds have been waited, every `LONG` of them.
        """
        if stop():
            return None
        self._asks.put(True)
        began = time.monotonic()
        told = began
        while True:
            try:
                # Not longer at once: a signal may reach another thread, and is heeded when this one comes round.
                arrived: T | object = self._here.get(timeout=min(1.0, LONG))
            except Empty:
                if slow is not None and time.monotonic() >= told + LONG:
                    told = time.monotonic()
                    slow(told - began)
                continue
            if isinstance(arrived, _Failed):
                raise arrived.error
            if arrived is not _WAKE or stop():
                return arrived

    def wake(self) -> None:
        """Let whoever waits look whether to go on; may be called by a signal handler."""
        self._here.put(_WAKE)

    def _read(self, batches: Iterable[T]) -> None:
        if self._device is not None:
            torch.cuda.set_device(self._device)
        try:
            iterator = iter(batches)
            while self._asks.get():
                self._here.put(next(iterator, self.END))
        except BaseException as error:  # whatever it is, it is for the one who waits
            self._here.put(_Failed(error))

    def _started(self) -> list[BaseProcess]:
        return [process for process in multiprocessing.active_children() if process not in self._before]


_WAKE: Final = object()
