"""Runs one function in several processes that train together, forked from here, so that none imports torch anew.

The processes meet through a file, so there is no port that two tests could want at once.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch

from tests.crashes.killing import preload

T = TypeVar("T")
DEADLINE = 240.0


def together(count: int, work: Callable[[int], T], patience: float = DEADLINE) -> list[T]:
    """What `work(rank)` returns in each of `count` processes; one process joins no group, as in a plain run.

    Raises:
        AssertionError: one of them failed, with its traceback, or they did not end in `patience` seconds.
    """
    preload()
    with tempfile.TemporaryDirectory(prefix="toonforge-ranks-") as name:
        folder = Path(name)
        context = get_context("fork")
        processes = [context.Process(target=_rank, args=(rank, count, folder, work)) for rank in range(count)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: pytest-xdist has one
            for process in processes:
                process.start()
        try:
            _wait(processes, folder, patience)
            return [pickle.loads((folder / f"{rank}.result").read_bytes()) for rank in range(count)]
        finally:
            for process in processes:
                process.kill()
                process.join()


def _wait(processes: list, folder: Path, patience: float) -> None:
    deadline = time.monotonic() + patience
    while any(process.is_alive() for process in processes):
        failed = [path.read_text() for path in sorted(folder.glob("*.failed"))]
        assert not failed, "\n".join(failed)
        assert time.monotonic() < deadline, f"the processes did not end in {patience} seconds"
        time.sleep(0.01)
    failed = [path.read_text() for path in sorted(folder.glob("*.failed"))]
    assert not failed, "\n".join(failed)
    codes = [process.exitcode for process in processes]
    assert not any(codes), f"the processes ended with {codes}"


def _rank(rank: int, count: int, folder: Path, work: Callable[[int], T]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    torch.set_num_threads(1)
    # Nobody changes the environment of a test's own process.
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)
    try:
        if count > 1:
            names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
            os.environ.update({name: str(value) for name, value in names.items()}, OMP_NUM_THREADS="1")
            store = torch.distributed.FileStore(str(folder / "store"), count)
            torch.distributed.init_process_group(
                "gloo", store=store, rank=rank, world_size=count, timeout=timedelta(seconds=DEADLINE)
            )
        result = work(rank)
        if count > 1:
            torch.distributed.barrier()
        (folder / f"{rank}.result").write_bytes(pickle.dumps(result))
    except BaseException:
        with contextlib.suppress(OSError):
            partial = folder / f"{rank}.partial"
            partial.write_text(f"rank {rank}: {traceback.format_exc()}")
            partial.rename(folder / f"{rank}.failed")
        os._exit(1)
    # Without the interpreter's own end, which the group's threads may hold up.
    os._exit(0)
