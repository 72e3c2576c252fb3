"""Where the processes of `--processes` meet: at a file, since a port that is free now may be taken when they come.

Processes that `torchrun` or `accelerate launch` start meet at the address that those give. Torch is imported only when
a process joins the others.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

STORE = "TOONFORGE_STORE"
"""The variable that names the file to the processes that one launcher starts on one machine."""


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
