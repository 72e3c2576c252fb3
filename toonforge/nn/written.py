"""Whether networks compute as torch's own layers do just now, or in ways of ours that are faster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Written(threading.local):
    """How many `as_written` are open in this thread."""

    count = 0


_here = _Written()


@contextmanager
def as_written() -> Iterator[None]:
    """Within it networks compute as torch's own layers do, for those who look on: traces, exports.

    In this thread alone; what other threads compute stays as it is, to the bit. Results differ in rounding alone,
    gradients too. A network that is recomputed in its backward pass must not see it opened or closed after its forward
    pass: other values would be kept, and torch refuses that with a `CheckpointError`.
    """
    _here.count += 1
    try:
        yield
    finally:
        _here.count -= 1


def written() -> bool:
    """Whether networks are to compute as torch's own layers do just now, in this thread."""
    return _here.count > 0
