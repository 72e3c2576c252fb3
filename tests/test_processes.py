"""Two processes train like one: the same weights to 1e-12 (SGD, float64; no pool, dropout or batch norm)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.test_engine_equality import CYCLEGAN

NETWORKS = ("G", "F", "D_anime", "D_photo", "D")
ROOT = Path(__file__).parent.parent
RECIPE = (
    CYCLEGAN.format(
        data="count = 9",
        train='precision = "fp64"\noptimizer = { type = "sgd", lr = 0.05 }\naccumulate = 2\nsamples.every = 3',
    )
    .replace("pool(fake_anime, 3)", "fake_anime")
    .replace("pool(fake_photo, 3)", "fake_photo")
    .replace("batch_size = 2", "batch_size = 4")
)

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
    launcher = (
        [] if processes == 1 else ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    )
    command = [sys.executable, "-m", *launcher, "tests.train_tiny", str(recipe), str(folder), *flags]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("text", [RECIPE, DISCRIMINATOR_FIRST], ids=["cyclegan", "discriminator-first"])
def test_two_processes_equal_one(text: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    weights = {}
    for processes in (1, 2):
        done = start(recipe, tmp_path / f"run{processes}", processes)
        assert done.returncode == 0, done.stderr[-3000:]
        checkpoint = tmp_path / f"run{processes}" / "checkpoints" / "step-000006"
        weights[processes] = {n: load_file(checkpoint / f"{n}.safetensors") for n in NETWORKS if f"\n{n} = " in text}
    for name, tensors in weights[1].items():
        for key, value in tensors.items():
            difference = (value - weights[2][name][key]).abs().max()
            assert difference <= 1e-12, f"{name}.{key} differs by {difference:.1e}"
    fresh = load_file(tmp_path / "run1/checkpoints/step-000006/G.safetensors")
    assert any(value.abs().max() > 0 for value in fresh.values()) and torch.is_tensor(next(iter(fresh.values())))


def test_another_number_of_processes_is_refused_in_plain_words(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    assert start(recipe, tmp_path / "run", 1).returncode == 0
    done = start(recipe, tmp_path / "run", 2, "--resume")
    assert done.returncode != 0
    assert "another number of processes" in done.stderr


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
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    about = json.loads((tmp_path / "runs/small/checkpoints/step-000002/checkpoint.json").read_text())
    assert about["processes"] == 2
    assert "processes = 2" in (tmp_path / "runs/small/resolved.toml").read_text()
    assert {"ops.rank0.safetensors", "ops.rank1.safetensors"} <= about["files"].keys()
