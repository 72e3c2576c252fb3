"""The C library keeps what a step frees for the next one, in place of giving it back to the system.

By default glibc takes every large tensor as fresh pages from the system, and gives them back when it is freed. Each
page is then filled with zeros and entered into the process's tables again, thousands of times a step: a seventh of a
pix2pix step on a CPU. The settings hold for the whole process, tensors or not; the process stays as large as it was at
its largest moment until `give_back`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_USUAL_TRIM, _USUAL_MAPS = 128 << 10, 65536
"""What glibc begins with."""


_kept = False


def keep_pages() -> bool:
    """Let freed memory stay with the process; whether this C library could be told so."""
    global _kept
    _kept = _set(trim=-1, maps=0)
    return _kept


def trim() -> bool:
    """Return what is free to the system once, if it is kept: after work that took more than a step does."""
    library = _glibc()
    if library is None or not _kept:
        return False
    library.malloc_trim(0)
    return True


def give_back() -> bool:
    """Return what is free to the system and keep nothing any more; whether anything was kept."""
    global _kept
    kept = trim()
    _kept = False
    return kept and _set(trim=_USUAL_TRIM, maps=_USUAL_MAPS)


def _set(trim: int, maps: int) -> bool:
    library = _glibc()
    if library is None:
        return False
    # 1 is success, where most of the library's calls have 0.
    return bool(library.mallopt(_MMAP_MAX, maps) == 1 and library.mallopt(_TRIM_THRESHOLD, trim) == 1)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The process's C library where it is glibc, which alone has these settings."""
    if not is_glibc():
        return None
    library = ctypes.CDLL(None)
    library.mallopt.argtypes, library.mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    library.malloc_trim.argtypes, library.malloc_trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return library


@cache
def is_glibc() -> bool:
    """Whether Python runs on glibc: not on musl, macOS or Windows."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):  # musl does not know the name
        return False
