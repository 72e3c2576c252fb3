"""Several processes as users start them: `--processes`, `torchrun`, several machines; and what refuses them.

That they train like one is held in `test_equal_processes.py`, in processes that are forked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DISCRIMINATOR_FIRST = """
name = "discriminator_first"
[data]
type = "tiny/pictures"
count = 9
paired = true
[train]
steps = 6
batch_size = 4
accumulate = 2
precision = "fp64"
optimizer = { type = "sgd", lr = 0.05 }
[generators]
G = { type = "tiny/generator" }
[discriminators]
D = { type = "tiny/discriminator" }
[signals]
fake = "G(photo)"
[phases.discriminator]
updates = ["D"]
[phases.discriminator.losses]
reals = { type = "lsgan", logits = "D(anime)", real = true }
fakes = { type = "lsgan", logits = "D(fake)", real = false }
[phases.generator]
updates = ["G"]
[phases.generator.losses]
fool = { type = "lsgan", logits = "D(fake)", real = true }
pixels = { type = "l1", input = "fake", target = "anime", weight = 10 }
"""
"""The generator's only forward pass lies in the phase before the one that its gradient belongs to."""


def start(recipe: Path, folder: Path, processes: int, *flags: str) -> subprocess.CompletedProcess[str]:
    """Train a recipe over the tiny components in processes of its own."""
    launcher = (
        [] if processes == 1 else ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    )
    command = [sys.executable, "-m", *launcher, "tests.train_tiny", str(recipe), str(folder), *flags]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=600)


SMALL = """
name = "small"
[data]
type = "synthetic"
image_size = 32
count = 8
[generators]
G = { type = "cyclegan/double-unet", width = 4, levels = 1 }
[discriminators]
D = { type = "cyclegan/patchgan", width = 4, layers = 1 }
[phases.generator]
updates = ["G"]
losses.fool = { type = "lsgan", logits = "D(G(photo))", real = true }
[phases.discriminator]
updates = ["D"]
losses.real = { type = "lsgan", logits = "D(anime)", real = true }
[train]
steps = 2
batch_size = 4
"""


@pytest.mark.parametrize("launcher", ["toonforge", "torchrun"])
def test_the_command_line_trains_in_two_processes_together(tmp_path: Path, launcher: str) -> None:
    """Without --cpu, on whatever there is: each process alone would refuse the folder that the first one made."""
    (tmp_path / "small.toml").write_text(SMALL)
    own = ["-m", "toonforge", "run", "small.toml"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *own]
    command = [sys.executable, *(torchrun if launcher == "torchrun" else [*own, "--processes", "2"])]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    about = json.loads((tmp_path / "runs/small/checkpoints/step-000002/checkpoint.json").read_text())
    assert about["processes"] == 2
    assert "processes = 2" in (tmp_path / "runs/small/resolved.toml").read_text()
    assert {"ops.rank0.safetensors", "ops.rank1.safetensors"} <= about["files"].keys()
