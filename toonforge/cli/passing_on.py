"""Processes that are started for one command: each a session of its own, to which signals are passed on from here.

So what a terminal, a scheduler or `timeout` sends to the group comes here alone, in however many copies, and a process
gets each request once: under load the copies would be far apart, and the second seem another. Torch is not imported
here.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from toonforge.cli.worker import LAUNCHER
from toonforge.train.insisting import MOMENT, heeded


@contextmanager
def passing_on(send: Callable[[int], None]) -> Iterator[list[float]]:
    """Pass requests to stop on, each as one SIGTERM, which ends also a process that is not up yet; and pauses.

    Args:
        send: sends a signal to every process that was started.

    Yields:
        When requests came, in seconds of `time.monotonic`: whoever starts a process later must send it one.
    """
    requests: list[float] = []

    def stop(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if requests and now - requests[-1] < MOMENT:
            return
        requests.append(now)
        send(signal.SIGTERM)

    def pause(number: int, frame: FrameType | None) -> None:
        send(signal.SIGTSTP)  # heeded by those that have processes of their own; others are in no terminal's session
        time.sleep(MOMENT / 2)
        send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        send(signal.SIGCONT)

    handlers = dict.fromkeys(heeded(), stop)
    if os.name == "posix":
        handlers[signal.SIGTSTP] = pause
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield requests
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def pipe() -> Iterator[tuple[int, ...]]:
    """The end of a pipe whose other end is closed with this process, even if it is killed; nothing on Windows.

    Started with it (`pass_fds`, and `known` in its environment), a training saves and stops then.
    """
    if os.name != "posix":
        yield ()
        return
    theirs, ours = os.pipe()
    try:
        yield (theirs,)
    finally:
        os.close(theirs)
        os.close(ours)


def known(ends: Sequence[int]) -> dict[str, str]:
    """What a process is told of a `pipe`."""
    return {LAUNCHER: str(ends[0])} if ends else {}
