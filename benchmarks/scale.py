"""What docs/explanation/scale.md reckons with, as far as one machine can measure it.

    python benchmarks/scale.py

Operations and parameters of a step of CycleGAN and pix2pix at 256 pixels and batch 1 (counted on tensors without
values), the index of shards (time, memory, what is kept of it on the disk), the order of an epoch (time, memory), and
a checkpoint (bytes; time with all of it flushed to the disk). Each part runs in a process of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Result = dict[str, float]


def steps() -> Result:
    """Operations (a multiplication and an addition are two) and parameters, of CycleGAN and pix2pix."""
    import torch
    from torch import Tensor, nn
    from torch.utils.flop_counter import FlopCounterMode

    import toonforge

    def network(kind: Any, name: str, *shape: int) -> nn.Module:
        with torch.device("meta"):
            return kind[name]().fit(shape).build()

    def counted(run: Callable[[], Tensor], trained: list[nn.Module], frozen: list[nn.Module]) -> int:
        for one in (*trained, *frozen):
            one.requires_grad_(one in trained)
        with FlopCounterMode(display=False) as counter:
            run().backward()
        return counter.get_total_flops()

    def size(*networks: nn.Module) -> int:
        return sum(parameter.numel() for one in networks for parameter in one.parameters())

    photo = torch.empty(1, 3, 256, 256, device="meta")
    generator = network(toonforge.generators, "cyclegan/resnet", 3, 256, 256)
    judge = network(toonforge.discriminators, "cyclegan/patchgan", 3, 256, 256)

    def one_direction() -> Tensor:
        fake = generator(photo)
        return generator(fake).sum() + generator(photo).sum() + judge(fake).sum()

    def one_judge() -> Tensor:
        return judge(photo).sum() + judge(photo).sum()

    cyclegan = 2 * (counted(one_direction, [generator], [judge]) + counted(one_judge, [judge], [generator]))
    unet = network(toonforge.generators, "pix2pix/unet", 3, 256, 256)
    pair = network(toonforge.discriminators, "pix2pix/patchgan", 6, 256, 256)
    both = torch.empty(1, 6, 256, 256, device="meta")
    kept: list[Tensor] = []

    def generated() -> Tensor:
        kept.append(unet(photo))
        return pair(torch.cat((photo, kept[0]), 1)).sum() + kept[0].sum()

    pix2pix = counted(generated, [unet], [pair]) + counted(lambda: pair(both).sum() + pair(both).sum(), [pair], [unet])
    return {
        "CycleGAN: TFLOP a step": cyclegan / 1e12,
        "CycleGAN: million parameters": 2 * size(generator, judge) / 1e6,
        "CycleGAN: of the generators": 2 * size(generator) / 1e6,
        "pix2pix: TFLOP a step": pix2pix / 1e12,
        "pix2pix: million parameters": size(unet, pair) / 1e6,
    }


def shards(folder: Path, count: int) -> Result:
    """The index of a shard of pairs."""
    with tarfile.open(folder / "pairs.tar", "w") as file:
        for number in range(count):
            for ending in ("photo.jpg", "anime.jpg"):
                member = tarfile.TarInfo(f"{number:09d}.{ending}")
                member.size = 1
                file.addfile(member, io.BytesIO(b"0"))
    os.environ["TOONFORGE_CACHE"] = str(folder / "cache")
    from toonforge.data.webdataset.samples import samples

    wanted = {"photo": ("photo.jpg",), "anime": ("anime.jpg",)}
    seconds = []
    for _ in range(2):  # from the headers; from the cache
        began = time.perf_counter()
        found = samples("data.shards", (str(folder / "pairs.tar"),), wanted)
        seconds.append(time.perf_counter() - began)
    first = found["photo"]
    shared = (first.members.shard, first.members.keys._starts, first.members.keys._ends)
    held = sum(array.nbytes for array in shared) + len(first.members.keys._letters)
    for pictures in found.values():
        own = (pictures.rows, pictures.members.offset, pictures.members.size, pictures.members.ending)
        held += sum(array.nbytes for array in own)
    kept = sum(path.stat().st_size for path in (folder / "cache").rglob("*.index"))
    return {
        "index of pairs: bytes a pair in memory": held / count,
        "index of pairs: bytes a pair in the cache": kept / count,
        "index of pairs: million pairs a second, from headers": count / seconds[0] / 1e6,
        "index of pairs: million pairs a second, from the cache": count / seconds[1] / 1e6,
    }


def order(count: int) -> Result:
    """The order of one epoch."""
    from toonforge.data.order import Order

    made = Order({"photo": count}, 1, seed=0)
    Order({"photo": 10}, 1, seed=0).draws(0)  # imports
    before, began = _resident(), time.perf_counter()
    made.draws(0)
    seconds = time.perf_counter() - began
    return {
        "order of an epoch: bytes a picture": (_resident() - before) / count,
        "order of an epoch: million pictures a second": count / seconds / 1e6,
    }


def checkpoint(folder: Path, recipe: str) -> Result:
    """A checkpoint of a recipe's own networks, after one step on small pictures."""
    from toonforge import load_recipe
    from toonforge.train import checkpoint as checkpoints
    from toonforge.train.trainer import train

    data = '{ type = "synthetic", count = 16, image_size = 32 }'
    if recipe.startswith("pix2pix"):  # a U-Net of eight halvings
        data = '{ type = "synthetic", count = 16, image_size = 256, fields = { pair = ["cartoon", "photo"] } }'
    path = folder / "recipe.toml"
    path.write_text(f'extends = "{recipe}"\ndata = {data}\nmetrics = {{}}\ntrain.steps = 1\n')
    seconds: list[float] = []
    save = checkpoints.Checkpoints.save

    def timed(self: Any, *given: Any) -> Any:
        began = time.perf_counter()
        done = save(self, *given)
        seconds.append(time.perf_counter() - began)
        return done

    checkpoints.Checkpoints.save = timed  # type: ignore[method-assign]
    train(load_recipe(path), folder=folder / "run", cpu=True)
    size = sum(file.stat().st_size for file in (folder / "run/checkpoints/step-000001").iterdir())
    name = recipe.partition("/")[0]
    return {
        f"checkpoint of {name}: MB": size / 1e6,
        f"checkpoint of {name}: seconds": seconds[-1],
        f"checkpoint of {name}: MB a second": size / 1e6 / seconds[-1],
    }


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def measured(part: str, count: int) -> Result:
    """One part, in this process."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if part == "shards":
            return shards(folder, count)
        if part == "order":
            return order(100 * count)
        return steps() if part == "steps" else checkpoint(folder, part)


PARTS = ("steps", "shards", "order", "cyclegan/cyclegan", "pix2pix/pix2pix")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000, help="pairs in the shard (default: %(default)s)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all when left out")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(measured(given.part, given.samples)))
        return
    for part in given.parts:
        command = [sys.executable, __file__, "--part", part, "--samples", str(given.samples)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        for name, value in json.loads(done.stdout.splitlines()[-1]).items():
            print(f"{name:<60}{value:>12.4g}", flush=True)


if __name__ == "__main__":
    main()
