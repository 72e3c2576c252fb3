"""How much memory a computation may take: what the device, the machine and the container have left."""

from __future__ import annotations

import os
from pathlib import Path

import torch

SHARE = 0.7
"""Of what is free; the rest is for what else happens, and for what an estimate misses."""
EASY_SHARE, EASY = 0.25, 2 << 30
"""Of what is free, and bytes: beyond these a CPU is quicker in parts, which stay in its caches, and the machine stays
usable."""
UNKNOWN = 2 << 30
"""Bytes that are taken to be free where nobody says."""
CGROUPS = Path("/sys/fs/cgroup")


def allowed_bytes(device: torch.device) -> int:
    """Bytes that may be taken on a device."""
    return int(SHARE * (cuda_free(device) if device.type == "cuda" else host_free()))


def easy_bytes(device: torch.device) -> int:
    """Bytes up to which a picture is better computed whole, where parts are possible; no more than may be taken."""
    if device.type == "cuda":  # quicker whole
        return allowed_bytes(device)
    return min(EASY, int(EASY_SHARE * host_free()))


def kept_bytes(device: torch.device) -> list[int]:
    """Bytes that parts had better leave it at, the best first; with a GPU all that may be taken is as good."""
    share = int(EASY_SHARE * host_free())
    return [] if device.type == "cuda" else [min(EASY, share), share]


def cuda_free(device: torch.device) -> int:
    """Bytes free on a GPU, with those that torch holds but does not use."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def host_free(meminfo: Path = Path("/proc/meminfo"), cgroups: Path = CGROUPS) -> int:
    """Bytes free on this machine, no more than its container's limit leaves."""
    return min([_machine_free(meminfo), *container_free(cgroups)])


def _machine_free(meminfo: Path) -> int:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:  # macOS: half of all
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def container_free(cgroups: Path = CGROUPS) -> list[int]:
    """What each limit of a control group that holds this process leaves, of version 2 or 1."""
    folders = [cgroups, cgroups / "memory"]
    try:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            inner = cgroups / line.split(":", 2)[2].strip("/")
            folders += [folder for folder in (inner, *inner.parents) if cgroups in folder.parents]
    except (OSError, IndexError):
        pass
    left = []
    for folder in folders:
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            try:
                most, taken = int((folder / limit).read_text()), int((folder / used).read_text())
            except (OSError, ValueError):  # no such file, or "max"
                continue
            left.append(max(0, most - taken + _reclaimable(folder / "memory.stat")))
    return left


def _reclaimable(stat: Path) -> int:
    """Bytes of files that are held only because nobody needs the memory yet."""
    try:
        for line in stat.read_text().splitlines():
            if line.startswith(("inactive_file ", "total_inactive_file ")):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0
