"""Trainings through the command line, all of whose processes are killed at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

RECIPE = """
name = "real"
[data]
type = "samples/photo-cartoon"
cartoon_field = "anime"
image_size = 32
[generators]
G = { type = "cyclegan/unet", width = 4, levels = 2 }
[phases.generators]
updates = ["G"]
[phases.generators.losses]
same = { type = "l1", input = "G(photo)", target = "photo" }
[train]
steps = 24
ema = 0.9
batch_size = 2
checkpoint = { every = 4, keep = 2 }
samples = { every = 8, count = 2 }
log = { every = 2 }
[translations]
anime = "G(photo)"
"""


class Command:
    """`toonforge run` in a place that holds `real.toml`, into a folder of that name there.

    Runs that are compared are started in one place: a run writes down where it was started.
    """

    def __init__(self, place: Path, name: str, *words: str) -> None:
        self.folder, self.output = place / name, place / f"{name}.txt"
        resume = ["--resume"] if (self.folder / "resolved.toml").is_file() else []
        self._output = self.output.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "toonforge", "run", "real.toml", "--cpu", "--out", name, *words, *resume],
            cwd=place,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    def kill_after(self, seconds: float, lines: int) -> bool:
        """Kill it so long after its log has so many lines; returns whether it was killed, and did not end before."""
        log, deadline = self.folder / "metrics.jsonl", time.monotonic() + 240
        while self.process.poll() is None and time.monotonic() < deadline:
            if log.is_file() and log.read_bytes().count(b"\n") >= lines:
                time.sleep(seconds)
                break
            time.sleep(0.005)
        for one in _family(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait(240)
        self._output.close()
        return code


def _family(pid: int) -> list[int]:
    """A process and all that it started, and they."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        return [pid]
    return [pid, *(each for child in children for each in _family(int(child)))]
