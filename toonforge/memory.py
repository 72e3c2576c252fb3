"""Which errors say that memory ran out: of a device, of torch's CPU allocator, of Python or of the system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

_SAID = (
    "out of memory",  # CUDA, MPS, XPU, HIP
    "can't allocate memory",  # torch's CPU allocator, on Linux
    "not enough memory: you tried to allocate",  # the same, on Windows and where the allocator is another
    "cannot allocate memory",  # the system's, in torch's words
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
    "std::bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory for what was asked. Needs no torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if type(error).__module__ == "cv2" and "insufficient memory" in str(error).lower():
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower() if isinstance(error, RuntimeError) else ""
    return any(words in text for words in _SAID)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Let an error for want of memory know what was being done, in words: "measuring". The innermost one counts."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error) and done_at(error) is None:
            error.toonforge_doing = what  # type: ignore[attr-defined]
        raise


def done_at(error: BaseException) -> str | None:
    """What was being done as `doing` has it; None where nobody said."""
    what = getattr(error, "toonforge_doing", None)
    return what if isinstance(what, str) else None
