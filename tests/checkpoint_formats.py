"""Runs in every format that checkpoints ever had, kept under tests/data/checkpoints: what they are and how to make one.

A run of the present format: python -m tests.checkpoint_formats tests/data/checkpoints/format-N
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests import tiny
from toonforge import recipe as recipes
from toonforge.train.trainer import Trainer, train
from toonforge.use.model import load

HOME = Path(__file__).parent / "data/checkpoints"
RECIPE = HOME / "run.toml"
STOPPED, STEPS = 4, 6
"""The run was interrupted after the one of the other."""


def make(folder: Path) -> None:
    """Train the recipe until it is interrupted, and write down what a later reader must find and arrive at."""
    torch.set_num_threads(1)
    tiny.register()
    recipe = recipes.load(RECIPE)
    train(recipe, folder=folder.with_name("whole"), cpu=True)
    end = sums(folder.with_name("whole") / f"checkpoints/step-{STEPS:06d}")
    shutil.rmtree(folder.with_name("whole"))
    before = Trainer._should_stop
    Trainer._should_stop = lambda self: self.done == STOPPED  # type: ignore[method-assign]
    train(recipe, folder=folder, source=RECIPE, cpu=True)
    Trainer._should_stop = before  # type: ignore[method-assign]
    for unneeded in ("report.html", ".lock"):
        (folder / unneeded).unlink(missing_ok=True)
    for pictures in ("samples", "metrics"):
        shutil.rmtree(folder / pictures)
    newest = folder / f"checkpoints/step-{STOPPED:06d}"
    facts = {"step": STOPPED, "sums": sums(newest), "translated": translated(folder), "steps": STEPS, "end": end}
    (folder / "facts.json").write_text(json.dumps(facts) + "\n", "utf-8")


def sums(checkpoint: Path) -> dict[str, float]:
    """File and tensor -> the sum of its absolute values, of a checkpoint's folder."""
    return {
        f"{file.name}: {key}": float(f"{float(value.double().abs().sum()):.5g}")
        for file in sorted(checkpoint.glob("*.safetensors"))
        for key, value in sorted(load_file(file).items())
    }


def translated(run: Path) -> float:
    """The mean of what the latest checkpoint makes of a slope of grey."""
    slope = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    return round(float(load(run, checkpoint="latest", cpu=True)(slope).mean()), 6)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
