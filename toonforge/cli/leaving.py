"""Leaving at a signal while nothing is worth saving: as a training starts, and once it is over.

Python would raise KeyboardInterrupt wherever it is just then: in the middle of importing torch, where it is swallowed
or becomes another error, or in what runs at its exit. So this process is simply ended. In between, the training itself
decides (`toonforge.train.stopping`). Torch is not imported here.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from toonforge.cli.going_on import NOTHING_LOST
from toonforge.cli.worker import is_worker, speaks
from toonforge.train.insisting import HOW, leave

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def at_once() -> None:
    """From here on a signal ends this process; not where another thread is the main one."""
    owner = os.getpid()

    def heed(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a process that was forked
            os._exit(130)
        leave()

    starts()
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, heed)
        # Called last of all that is called at the exit. Ignored signals stay so in what follows, where Python gives up
        # its handlers: the process would be ended by the signal, in place of with its code.
        atexit.register(_ignore)


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
