"""Leaving at a signal while nothing is worth saving: as a training starts, and once it is over.

Python would raise KeyboardInterrupt wherever it is just then: in the middle of importing torch, where it is swallowed
or becomes another error, or in what runs at its exit. So this process is simply ended. In between, the training itself
decides (`toonforge.train.stopping`). Torch is not imported here.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def at_once(code: int = 130, say: str = "stopped") -> None:
    """From here on a signal ends this process; not where another thread is the main one.

    Args:
        code: what it ends with.
        say: one line on stderr, or nothing.
    """
    owner = os.getpid()

    def leave(number: int, frame: FrameType | None) -> None:
        # This may have come in the middle of another write, or after the reader has gone.
        with suppress(OSError, RuntimeError, ValueError):
            if say and os.getpid() == owner:
                print(say, file=sys.stderr, flush=True)
        with suppress(OSError, RuntimeError, ValueError):
            sys.stdout.flush()
        os._exit(code)

    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, leave)
