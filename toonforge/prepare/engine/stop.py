"""Ctrl-C and SIGTERM as a request: what is in work is brought to an end that loses nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MOMENT = 0.5
"""Seconds within which further signals belong to the same request: `timeout` sends two by itself."""


class Stop:
    """Catches Ctrl-C and SIGTERM; all of them are one request.

    Attributes:
        asked: whether there was one.
    """

    def __init__(self) -> None:
        self.asked = False
        self._at_once = False
        self._first = 0.0

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
            if self.asked:
                time.sleep(max(0.0, self._first + MOMENT - time.monotonic()))
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, a request raises KeyboardInterrupt: for what may be left in the middle."""
        if self.asked:
            raise KeyboardInterrupt
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked, self._first = True, time.monotonic()
        if self._at_once:
            self._at_once = False
            raise KeyboardInterrupt
