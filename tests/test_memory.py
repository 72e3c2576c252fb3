"""A training holds no more of the machine after thousands of steps than after the first ones.

In CI over some hundred steps; over 2,000, with a loader's process and with two processes, outside it:
`pytest -m soak tests/test_memory.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.train_measured import write_recipe

ROOT = Path(__file__).parent.parent
GROWTH = 0.02
"""How much more of the memory may be resident at the end than soon after the begin."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks at processes as Linux shows them")


def measured(folder: Path, steps: int, every: int, workers: int, processes: int, some: int) -> list[dict[str, Any]]:
    """What the main process of a training holds, in the order of its steps."""
    command = [sys.executable, "-m", "tests.train_measured"]
    if processes > 1:
        launcher = [
            "-m",
            "torch.distributed.run",
            f"--nproc-per-node={processes}",
            "--rdzv-backend=c10d",
            "--rdzv-endpoint=localhost:0",
        ]
        command = [sys.executable, *launcher, "-m", "tests.train_measured"]
    write_recipe(folder, steps, workers, processes, some)
    done = subprocess.run(
        [*command, str(folder), str(every)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {line["rank"] for line in lines} == {0}, "the main process does all that the others do, and more"
    return lines


def check(lines: list[dict[str, Any]], first: int) -> None:
    """Compare what was held at step `first` with what was held at the last one."""
    begin = next(line for line in lines if line["step"] >= first)
    end = lines[-1]
    grown = end["memory"] / begin["memory"] - 1
    told = f"{begin['memory'] / 2**20:.1f} MiB at step {begin['step']}, {end['memory'] / 2**20:.1f} at {end['step']}"
    print(f"{told}: {100 * grown:+.2f} %")
    assert grown <= GROWTH, told
    later = [line for line in lines if line["step"] >= first]
    for what in ("files", "threads", "children"):
        assert len({line[what] for line in later}) == 1, (what, later)


def test_memory_files_threads_and_processes_stay_flat(tmp_path: Path) -> None:
    lines = measured(tmp_path, steps=140, every=20, workers=0, processes=1, some=20)
    check(lines, first=60)


@pytest.mark.soak
@pytest.mark.parametrize(("workers", "processes"), [(0, 1), (1, 1), (0, 2)])
def test_memory_stays_flat_over_two_thousand_steps(tmp_path: Path, workers: int, processes: int) -> None:
    lines = measured(tmp_path, steps=2000, every=100, workers=workers, processes=processes, some=20)
    assert lines[-1]["step"] == 2000
    check(lines, first=200)
