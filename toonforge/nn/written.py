"""Whether networks compute as torch's own layers do just now, or in ways of ours that are faster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Written:
    """How many `as_written` are open, in all threads."""

    count = 0
    lock = threading.Lock()


@contextmanager
def as_written() -> Iterator[None]:
    """Within it all networks compute as torch's own layers do, for those who look on: traces, exports.

    In every thread: results differ in rounding alone.
    """
    with _Written.lock:
        _Written.count += 1
    try:
        yield
    finally:
        with _Written.lock:
            _Written.count -= 1


def written() -> bool:
    """Whether networks are to compute as torch's own layers do just now."""
    return _Written.count > 0
