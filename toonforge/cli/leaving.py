"""Leaving at a signal while nothing is worth saving: as a training starts, once it is over, and around a translation.

Python would raise KeyboardInterrupt wherever it is just then: in the middle of importing torch, where it is swallowed
or becomes another error, or in what runs at its exit. So this process is simply ended. In between, the training itself
decides (`toonforge.train.stopping`), and a translation brings to its end what it has begun (`in_order`). Torch is not
imported here.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from toonforge.cli.going_on import NOTHING_LOST
from toonforge.cli.worker import is_worker, speaks
from toonforge.files import remove_unfinished
from toonforge.train.insisting import HOW, MOMENT, leave

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ends: Callable[[int, FrameType | None], None] | None = None
"""What ends this process at a signal; None where nothing was told to."""


def at_once(words: Callable[[], str] = lambda: NOTHING_LOST) -> None:
    """From here on a signal ends this process; not where another thread is the main one.

    Args:
        words: what is said then.
    """
    global _ends
    owner = os.getpid()

    def heed(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a process that was forked
            os._exit(130)
        remove_unfinished()
        leave()

    _how(130, words)
    if threading.current_thread() is threading.main_thread():
        _ends = heed
        for number in SIGNALS:
            signal.signal(number, heed)
        # Called last of all that is called at the exit. Ignored signals stay so in what follows, where Python gives up
        # its handlers: the process would be ended by the signal, in place of with its code.
        atexit.register(_ignore)


@contextmanager
def in_order() -> Iterator[None]:
    """Within it the first request to leave raises KeyboardInterrupt, and what was begun can come to its end.

    Signals within a moment are one request. A further one ends this process at once, whatever its threads compute: to
    unwind the main thread alone would leave them inside of libraries that are being taken down. Where signals were not
    to end this process (`at_once`), all stays as it is.
    """
    ends = _ends
    if ends is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: float | None = None

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked is None:
            asked = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - asked >= MOMENT:
            ends(number, frame)

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stopped() -> str:
    """What is said of a translation that ends at once: on a terminal in place of its bar, which hides the cursor."""
    if not sys.stderr.isatty():
        return "stopped"
    sys.stderr = sys.__stderr__  # the bar's own would write above the bar
    return "\r\x1b[2K\x1b[?25hstopped"


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def starts() -> None:
    """A training begins to start."""
    _how(130, lambda: NOTHING_LOST)


def trains(words: Callable[[], str]) -> None:
    """It has begun. `words`: what is said where it is left at once."""
    _how(130, words)


def ends(code: int | None) -> None:
    """It is over: whoever leaves now does so silently, with its exit code; None, where none is known, stays."""
    _how(code, lambda: "")


def over(code: int) -> None:
    """The same where its summary follows. One of several processes stays: the others wait to end with it."""
    ends(None if is_worker() else code)


def _how(code: int | None, words: Callable[[], str]) -> None:
    HOW.code, HOW.words = code, words if speaks() else lambda: ""
