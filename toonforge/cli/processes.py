"""Starts one command in several processes that train together, and ends them together.

The processes find each other through the variables that `torchrun` sets, so that `torchrun -m toonforge run …` works
as well. Signals are passed on to each process; the copies that a process gets of one Ctrl-C, from here and from the
terminal, are one request to it (`toonforge.train.stopping.Stopping`). Torch is not imported here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

STOPPED = (130, -signal.SIGINT, -signal.SIGTERM)
"""How a process ends that was asked to stop: by itself, or by the signal where it was not training yet."""


def is_worker() -> bool:
    """Whether this process was started as one of several."""
    return "WORLD_SIZE" in os.environ


def environment(rank: int, count: int, port: int) -> Mapping[str, str]:
    """What a process must know to find the others."""
    threads = str(max(1, (os.cpu_count() or 1) // count))
    return {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def launch(count: int, arguments: Sequence[str]) -> int:
    """Run `toonforge ARGUMENTS` in `count` processes; returns the first exit code that is not 0.

    Only the first process writes to the terminal. What the others say is shown if one of them alone fails.
    """
    command = [sys.executable, "-m", "toonforge", *arguments]
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="toonforge-processes-") as folder:
        logs = [Path(folder) / f"{rank}.txt" for rank in range(count)]
        started: list[subprocess.Popen[bytes]] = []
        try:
            for rank, log in enumerate(logs):
                with log.open("wb") as file:
                    output = None if rank == 0 else file
                    started.append(
                        subprocess.Popen(command, env=environment(rank, count, port), stdout=output, stderr=output)
                    )
            codes = _wait(started)
        finally:
            for process in started:
                if process.poll() is None:
                    process.kill()
        failed = next((rank for rank, code in enumerate(codes) if code not in (0, 130)), None)
        if failed:
            sys.stderr.write(f"process {failed} of {count}:\n{logs[failed].read_text('utf-8', 'replace')}")
        return next((code for code in codes if code), 0)


def _wait(started: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Wait for all; when one fails, give the others a while to fail too, then end them."""

    def forward(number: int, frame: FrameType | None) -> None:
        for process in started:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        deadline: float | None = None
        while any(process.poll() is None for process in started):
            if deadline is None and any(process.poll() not in (None, 0, *STOPPED) for process in started):
                deadline = time.monotonic() + 10
            if deadline is not None and time.monotonic() > deadline:
                for process in started:
                    if process.poll() is None:
                        process.kill()
            time.sleep(0.05)
        return [_code(process.wait()) for process in started]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _code(ended: int) -> int:
    """A process's exit code. Those that were ended for another's sake do not hide its own."""
    return 130 if ended in STOPPED else max(ended, 0)


def free_port() -> int:
    """A TCP port of this machine that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
