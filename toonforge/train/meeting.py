"""Where processes meet: those of `--processes` at a file, since a port that is free now may be taken when they come.

Processes that `torchrun` or `accelerate launch` start meet at the address that those give, and all in the run's folder.
Torch is imported only when a process joins the others.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.runs.alone import LOCK

STORE = "TOONFORGE_STORE"
"""The variable that names the file to the processes that one launcher starts on one machine."""

_BEGUN = (LOCK, "checkpoints")
"""Of which the first process has made one at least before the others look: where the system has locks, both."""


def join(patience: timedelta, cpu: bool) -> None:
    """Join the others at the file, if one is named; processes that are started from here do not hear of it.

    Args:
        patience: how long processes wait for each other.
        cpu: whether they train on the processor.
    """
    path = os.environ.pop(STORE, None)
    if path is None:
        return
    import torch

    if not cpu and not torch.cuda.is_available():
        return  # how other devices talk to each other Accelerate knows, and meets at MASTER_ADDR and MASTER_PORT
    if not cpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.distributed.init_process_group(
        "gloo" if cpu else "nccl", init_method=Path(path).as_uri(), rank=rank, world_size=count, timeout=patience
    )


def find_run(folder: Path, rank: int, patience: float = 30.0) -> None:
    """Refuse a run's folder in which the first process's files do not appear: that process has another machine's disk.

    Args:
        folder: of a run that the first process has begun, or goes on with.
        rank: of this process; the first one has nothing to look for.
        patience: seconds that a network file system may take to show what another machine has written.

    Raises:
        RunError: the folder is not shared. Otherwise that would show at the first checkpoint, hours later.
    """
    deadline = time.monotonic() + patience
    while rank > 0 and not any((folder / name).exists() for name in _BEGUN):
        if time.monotonic() > deadline:
            raise RunError(
                Problem(
                    message=f"process {rank} does not see the run in {folder.absolute()}, which process 0 has begun",
                    hint="all machines must write into the same folder: give one that they share with --out",
                )
            )
        time.sleep(0.2)
