"""The C library keeps what a step frees for the next one, in place of giving it back to the system.

By default glibc takes every large tensor as fresh pages from the system, and gives them back when it is freed. Each
page is then filled with zeros and entered into the process's tables again, thousands of times a step: a seventh of a
pix2pix step on a CPU. The settings hold for the whole process, tensors or not; the process stays as large as it was at
its largest moment until `give_back`.

What a process has set itself, by `mallopt` or by glibc's environment variables, is overwritten: there is no way to ask
for it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL_TRIM, _USUAL_MMAP, _USUAL_MAPS = 64 << 20, 32 << 20, 65536
"""What glibc comes to by itself. It begins with smaller thresholds, and raises them to what a process frees: up to
these, and no longer once any of them is set. With those that it begins with, every block from 128 KiB on would be new
pages from then on."""


_kept = False


def keep_pages() -> bool:
    """Let freed memory stay with the process; whether this C library could be told so."""
    global _kept
    _kept = _set((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1))
    return _kept


def trim() -> bool:
    """Return what is free to the system once, if it is kept: after work that took more than a step does."""
    library = _glibc()
    if library is None or not _kept:
        return False
    library.malloc_trim(0)
    return True


def give_back() -> bool:
    """Return what is free to the system and keep no more than glibc does by itself; whether anything was kept."""
    global _kept
    kept = trim()
    _kept = False
    usual = (_MMAP_MAX, _USUAL_MAPS), (_MMAP_THRESHOLD, _USUAL_MMAP), (_TRIM_THRESHOLD, _USUAL_TRIM)
    return kept and _set(*usual)


def _set(*settings: tuple[int, int]) -> bool:
    library = _glibc()
    # 1 is success, where most of the library's calls have 0.
    return library is not None and all(library.mallopt(name, value) == 1 for name, value in settings)


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
