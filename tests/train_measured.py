"""Trains a tiny recipe with everything a run does along the way, and tells how much of the machine it holds meanwhile.

python -m tests.train_measured FOLDER EVERY

trains FOLDER/recipe.toml (see `write_recipe`) and prints a line of JSON every EVERY steps: step, resident bytes, open files, threads and child processes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tests import tiny
from tests.crashes.killing import preload
from toonforge import recipe as recipes
from toonforge.events import RunInfo, Step
from toonforge.plugins.hookspecs import hookimpl
from toonforge.train.trainer import train

RECIPE = """
name = "measured"
[data]
type = "unpaired-folders"
image_size = 16
{folders}
[generators.G]
type = "tiny/generator"
dropout = 0.2
[generators.F]
type = "tiny/generator"
[discriminators.D]
type = "tiny/discriminator"
norm = true
[signals]
fake = "G(photo)"
[phases.generator]
updates = ["G", "F"]
losses.fool = {{ type = "bce", logits = "D(fake)", real = true }}
losses.cycle = {{ type = "l1", input = "F(fake)", target = "photo" }}
[phases.discriminator]
updates = ["D"]
losses.real = {{ type = "bce", logits = "D(anime)", real = true }}
losses.fake = {{ type = "bce", logits = "D(pool(fake, 4))", real = false }}
[train]
steps = {steps}
batch_size = {batch_size}
accumulate = 2
ema = 0.9
workers = {workers}
processes = {processes}
log.every = 5
samples = {{ every = {some}, count = 2 }}
checkpoint = {{ every = {some}, keep = 2 }}
metrics = {{ every = {some}, best = "mean" }}
[translations]
anime = "G(photo)"
photo = "F(anime)"
[metrics.mean]
type = "tiny/mean"
input = "G(photo)"
"""


def make_pictures(folder: Path, count: int = 8) -> str:
    """Folders of pictures, as the recipe's table has them."""
    lines = []
    for table, number in (("fields", count), ("validation_fields", 3)):
        folders = []
        for seed, field in enumerate(("photo", "anime")):
            where = folder / table / field
            where.mkdir(parents=True)
            for index in range(number):
                colour = (37 * index % 256, 90 * seed, 11 * index % 256)
                Image.new("RGB", (24, 20), colour).save(where / f"{index:02d}.png")
            folders.append(f"{field} = {json.dumps(str(where))}")
        lines.append(f"{table} = {{ {', '.join(folders)} }}")
    return "\n".join(lines)


class Measured:
    """Listens to a run, and tells every so many steps what the process holds."""

    def __init__(self, every: int) -> None:
        self.every = every

    @hookimpl
    def step_finished(self, run: RunInfo, step: Step) -> None:
        """Measure after everything that can be collected was."""
        if step.step % self.every == 0:
            print(json.dumps({"step": step.step, **held()}), flush=True)


def held() -> dict[str, Any]:
    """Resident bytes, open files, threads and child processes of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "rank": int(os.environ.get("RANK", "0")),
        "memory": pages * os.sysconf("SC_PAGESIZE"),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "tasks": len(os.listdir("/proc/self/task")),
        "children": len(children),
    }


def write_recipe(folder: Path, steps: int, workers: int, processes: int, some: int) -> None:
    """Make the pictures and the recipe. `some`: of so many steps each has a checkpoint, a grid and metrics."""
    text = RECIPE.format(
        folders=make_pictures(folder / "pictures"),
        steps=steps,
        batch_size=2 * processes,
        workers=workers,
        processes=processes,
        some=some,
    )
    (folder / "recipe.toml").write_text(text)


def main(folder: str, every: int) -> None:
    """Train, and print."""
    torch.set_num_threads(1)
    tiny.register()
    preload()
    gc.freeze()  # what is imported needs no looking through at each measurement
    path = Path(folder)
    recipe = recipes.load(path / "recipe.toml")
    train(recipe, folder=path / "run", source=path / "recipe.toml", listeners=[Measured(every)], cpu=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
