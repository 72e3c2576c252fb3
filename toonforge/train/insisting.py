"""A second request to leave, heeded even where Python cannot: in a read that hangs, or a library that waits for others.

Python runs a signal's handler only between two of its own instructions, of the main thread. But it notes each signal at
once in a pipe, and a thread that reads it ends the process where the main thread does not.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import attrs

MOMENT = 0.5
"""Seconds within which signals are one request: nobody answers the message of the first one faster."""
_HANGUP = getattr(signal, "SIGHUP", None)
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([] if _HANGUP is None else [_HANGUP]))
"""What asks a run to stop: Ctrl-C, the system or a scheduler, and a terminal that is closed."""
LEAVES = 3.0
"""Seconds that the main thread has to leave at a second request before the process is ended."""


@attrs.define
class Leaving:
    """How this process leaves where it is to do so at once. Who started the training knows, and changes it as it goes.

    Attributes:
        code: its exit code; None where it stays.
        words: what it says on stderr, or nothing.
    """

    code: int | None = 130
    words: Callable[[], str] = lambda: "left at once"


HOW = Leaving()
"""Of this process."""
_FIRST = attrs.evolve(HOW)


def heeded() -> list[signal.Signals]:
    """The signals that ask a run to stop here: what `nohup` starts outlives its terminal."""
    return [number for number in SIGNALS if not (number == _HANGUP and signal.getsignal(number) is signal.SIG_IGN)]


def leave() -> None:
    """End this process, unless it is to stay."""
    if (code := HOW.code) is None:
        return
    # This may have come in the middle of another write, or after the reader has gone.
    with suppress(OSError, RuntimeError, ValueError):
        if words := HOW.words():
            print(words, file=sys.stderr, flush=True)
    with suppress(OSError, RuntimeError, ValueError):
        sys.stdout.flush()
    os._exit(code)


@contextmanager
def insisting(numbers: Sequence[int], moment: float) -> Iterator[None]:
    """Within it, a second request by signals ends this process if nothing else does; for the main thread.

    Args:
        numbers: the signals, which have handlers.
        moment: seconds within which signals are one request.
    """
    if HOW.code is None:  # an earlier training of this process is over
        HOW.code, HOW.words = _FIRST.code, _FIRST.words
    if os.name != "posix":
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(read, {*numbers}, moment, over), name="toonforge-leave", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.write(write, b"\0")
        thread.join()
        os.close(read)
        os.close(write)


def _watch(read: int, numbers: set[int], moment: float, over: threading.Event) -> None:
    began: float | None = None
    while not over.is_set():
        (number,) = os.read(read, 1)
        now = time.monotonic()
        if number not in numbers or over.is_set():
            continue
        if began is not None and now - began >= moment:
            if not over.wait(LEAVES):
                leave()
            return
        began = now if began is None else began
