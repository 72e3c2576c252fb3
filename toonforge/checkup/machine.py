"""The machine: its system, Python, processors and memory."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

from toonforge.checkup.finding import Finding
from toonforge.prepare.engine.workers import processors

GIB = 1 << 30
TESTED = ((3, 10), (3, 13))
"""The first and the last Python that the tests run with."""
GLIBC = (2, 28)
"""What the wheels of torch, OpenCV and PyAV are built for."""
LITTLE = 4 * GIB
"""Bytes of free memory, below which training is likely to run out."""


def look(torch: Mapping[str, Any]) -> list[Finding]:
    """The machine, with what `Probe` says of free memory and threads."""
    return [
        python(sys.version_info[:2], platform.python_version()),
        system(platform.system(), platform.machine(), *platform.libc_ver()),
        cores(processors(), os.cpu_count() or 1, torch.get("threads")),
        memory(torch.get("free")),
    ]


def python(version: tuple[int, int], text: str) -> Finding:
    """The version that runs."""
    first, last = TESTED
    if first <= version <= last:
        return Finding(area="machine", name="Python", text=text)
    tested = f"toonforge is tested with {'.'.join(map(str, first))} to {'.'.join(map(str, last))}"
    if version > last:  # newer ones are likely to work
        return Finding(area="machine", name="Python", status="note", text=f"{text}; {tested}")
    newest = ".".join(map(str, last))
    return Finding(
        area="machine",
        name="Python",
        status="warning",
        text=f"{text}; {tested}",
        advice=f"use a newer one, in a new environment: python{newest} -m venv .venv",
    )


def system(name: str, machine: str, libc: str, version: str) -> Finding:
    """The operating system, and of Linux its C library, on which it depends which wheels there are."""
    text = f"{name} ({machine})" + (f", {libc} {version}" if libc else "")
    if name != "Linux" or (libc == "glibc" and _numbers(version) >= GLIBC):
        return Finding(area="machine", name="system", text=text)
    wanted = ".".join(map(str, GLIBC))
    return Finding(
        area="machine",
        name="system",
        status="warning",
        text=text if libc else f"{text}, without glibc",
        advice=f"the wheels of PyTorch, OpenCV and PyAV are built for glibc {wanted} or later: use a newer "
        "distribution, or a container of one",
    )


def cores(usable: int, all_of_them: int, threads: int | None) -> Finding:
    """How many processors this process may use, and how many threads torch takes."""
    text = f"{usable} of {all_of_them} usable" if usable < all_of_them else f"{usable}"
    if threads is not None and threads < usable and (asked := os.environ.get("OMP_NUM_THREADS")):
        return Finding(
            area="machine",
            name="processors",
            status="note",
            text=f"{text}; PyTorch takes {threads}, since OMP_NUM_THREADS is {asked}",
            advice="unset OMP_NUM_THREADS to use all of them",
        )
    return Finding(area="machine", name="processors", text=text)


def memory(free: int | None) -> Finding:
    """What is free, within a container's limit."""
    if free is None:
        return Finding(area="machine", name="memory", status="note", text="not known")
    if free >= LITTLE:
        return Finding(area="machine", name="memory", text=f"{free / GIB:.1f} GiB free")
    return Finding(
        area="machine",
        name="memory",
        status="warning",
        text=f"{free / GIB:.1f} GiB free",
        advice="close other programs; in recipes a smaller train.batch_size and data.image_size need less, and "
        "train.accumulate cuts a batch into parts",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
