"""Work that goes on in a thread of its own while its results are used: decoding, networks and encoding overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

import attrs

T = TypeVar("T")

LOOK_UP = 0.1
"""Seconds after which a thread that waits for room looks up whether its results are still wanted."""


@attrs.frozen
class _Failed:
    error: BaseException


_END = object()


def ahead(source: Iterator[T], depth: int = 1) -> Generator[T, None, None]:
    """What an iterator gives, computed in a thread, at most `depth` results ahead of the one that is used.

    An error of the source is raised in its turn. Where the results are no longer wanted (the generator is closed, or
    an error ends its user), the thread has ended before that returns, and the source is closed.
    """
    done: queue.Queue[T | _Failed | object] = queue.Queue(depth)
    unwanted = threading.Event()

    def put(item: T | _Failed | object) -> bool:
        while not unwanted.is_set():
            try:
                done.put(item, timeout=LOOK_UP)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in source:
                if not put(item):
                    break
            else:
                put(_END)
        except BaseException as error:
            put(_Failed(error))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="toonforge-video", daemon=True)
    thread.start()
    try:
        while (item := done.get()) is not _END:
            if isinstance(item, _Failed):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        unwanted.set()
        thread.join()
