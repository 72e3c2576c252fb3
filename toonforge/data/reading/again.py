"""Reads a picture again where what was in the way may pass: of disks and networks, not of the picture itself."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from toonforge.errors import UnreadableImage
from toonforge.memory import is_out_of_memory

T = TypeVar("T")

WAITS = (0.1, 0.4, 1.0, 2.5, 5.0)
"""Seconds to wait between tries: nine in all."""

_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EIO", "EREMOTEIO", "ESTALE", "EAGAIN", "EINTR", "EBUSY", "ETIMEDOUT", "ENFILE", "EMFILE", "ENOMEM"),
        *("ENOBUFS", "ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENOTCONN", "ESHUTDOWN"),
        *("ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "EPIPE", "ENOLINK", "ECOMM", "EPROTO", "EKEYEXPIRED"),
    )
    if hasattr(errno, name)  # systems know different ones
)


def may_pass(error: BaseException) -> bool:
    """Whether an error may be gone at the next try: a network that is away, too many open files, no memory just now."""
    if isinstance(error, UnreadableImage):
        return error.passing
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _PASSING
    return isinstance(error, TimeoutError | ConnectionError) or is_out_of_memory(error)


@attrs.frozen
class Retried:
    """A picture that was read in the end.

    Attributes:
        reason: what was in the way at first.
        tries: how many it took, at least 2.
    """

    reason: str
    tries: int


def read_again(
    read: Callable[[], T], where: Callable[[], str], retried: Callable[[str, Retried], None], waits: Sequence[float]
) -> T:
    """What `read` yields, if need be at a later try.

    Args:
        read: reads one picture, from the beginning each time.
        where: what to call the picture if it fails with an error that does not say.
        retried: told (path, how it went) of a picture that took several tries.
        waits: seconds to wait before each further try; WAITS, or none where patience would be in vain.

    Raises:
        UnreadableImage: at once where the picture is at fault; `passing` where it failed at the last try too.
    """
    first: UnreadableImage | None = None
    for tries in range(1, len(waits) + 2):
        try:
            value = read()
        except Exception as error:
            failure = _failure(error, where)
            if failure is None or not failure.passing:
                raise
            first = first or failure
            if tries > len(waits):
                said = f"{failure.reason} (in {tries} tries)" if tries > 1 else failure.reason
                raise UnreadableImage(failure.path, said, passing=True) from error
            time.sleep(waits[tries - 1])
        else:
            if first is not None:
                retried(first.path, Retried(first.reason, tries))
            return value
    raise AssertionError("the last try returns or raises")


def _failure(error: Exception, where: Callable[[], str]) -> UnreadableImage | None:
    """The failure of one picture; None for an error that is none."""
    if isinstance(error, UnreadableImage):
        return error
    if not may_pass(error):
        return None
    reason = getattr(error, "strerror", None) or ("not enough memory" if is_out_of_memory(error) else str(error))
    return UnreadableImage(where(), reason, passing=True)
