"""This package's training step as a program of the protocol of benchmarks/programs/protocol.py.

python benchmarks/programs/ours.py                               # speed = "auto"
python benchmarks/programs/ours.py safe
python benchmarks/programs/ours.py channels-last fused-optimizers
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

import toonforge
from toonforge.recipe.model import Recipe
from toonforge.train.step import Training, make_accelerator
from toonforge.use.foreign.networks import networks
from toonforge.use.foreign.reading import read_foreign

sys.path.insert(0, str(Path(__file__).parent.parent))
from programs.protocol import Losses, Start, serve

RECIPES = {"cyclegan": "cyclegan/cyclegan", "pix2pix": "pix2pix/pix2pix"}


def recipe(start: Start, speed: list[str], processes: int = 1) -> Recipe:
    """The packaged recipe in the sizes asked for."""
    settings = [
        f"data.image_size={start.size}",
        f"data.load_size={start.size}",
        f"train.batch_size={start.batch}",
        f"train.seed={start.seed}",
        f"train.processes={processes}",
        f'train.precision="{start.precision}"',
    ]
    if speed != ["auto"]:
        settings.append(f"train.speed={json.dumps('safe' if speed == ['safe'] else speed)}")
    if start.method == "cyclegan":
        for name in "GF":
            settings += [f"generators.{name}.width={start.width}", f"generators.{name}.blocks={start.blocks}"]
        settings += [f"discriminators.{name}.width={start.width}" for name in ("D_anime", "D_photo")]
    else:
        settings += [f"generators.G.width={start.width}", f"generators.G.levels={start.levels}"]
        settings += [] if start.dropout else ["generators.G.dropout=0"]
        settings += [f"discriminators.D.width={start.width}"]
    return toonforge.load_recipe(RECIPES[start.method], settings)


class Ours:
    """`Training.step` of a packaged recipe.

    Args:
        speed: "auto", "safe", or names of tricks.
        processes: that train together.
    """

    def __init__(self, speed: list[str], processes: int = 1) -> None:
        self.speed, self.processes = speed, processes
        self.now = 0

    def start(self, start: Start) -> str:
        loaded = recipe(start, self.speed, self.processes)
        self.training = Training(loaded, 10**6, 10**4, make_accelerator(start.precision, cpu=start.device == "cpu"))
        for name, state in self._states(start):
            self.training.networks[name].load_state_dict(state)
        self.weights = {
            f"{phase}.{term}": config.weight
            for phase, planned in loaded.phases.items()
            for term, config in planned.losses.items()
        }
        chosen = getattr(self.training, "speed", None)
        return f"toonforge, {', '.join(sorted(chosen.tricks)) or 'no trick' if chosen else 'as it is'}"

    @staticmethod
    def _states(start: Start) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
        for path in sorted(Path(start.weights).glob("*.safetensors")):
            for found in networks(read_foreign(path), None, {}, frozenset()):
                yield path.stem, found.state

    def step(self, pictures: dict[str, Tensor]) -> None:
        rank, device = self.training.rank, self.training.device
        mine = {field: value.chunk(self.processes)[rank] for field, value in pictures.items()}
        self.training.step(self.now, [{field: value.to(device) for field, value in mine.items()}])
        self.now += 1

    def losses(self, done: object) -> Losses:
        values, _, _ = self.training.read()
        terms = {name: self.weights[name] * value for name, value in values.items()}
        if any(name.startswith("discriminators.") for name in terms):  # of CycleGAN, two of a kind
            for kind in ("anime", "photo"):
                judged = [terms.pop(f"discriminators.{of}_{kind}") for of in ("reals", "fakes")]
                terms[f"generators.judge_{kind}"] = sum(judged)
        return {name.partition(".")[2]: value for name, value in terms.items()}


@contextmanager
def told(words: list[str], processes: int) -> Iterator[Iterator[str]]:
    """The lines of stdin; with several processes, after they were passed on to the others, which end with this one."""
    if processes == 1 or "RANK" in os.environ:
        yield iter(sys.stdin)
        return
    with tempfile.TemporaryDirectory() as place:
        os.environ.update(WORLD_SIZE=str(processes), LOCAL_WORLD_SIZE=str(processes), MASTER_ADDR="127.0.0.1")
        os.environ.update(MASTER_PORT="29500", TOONFORGE_STORE=f"{place}/store", RANK="0", LOCAL_RANK="0")
        others = [
            subprocess.Popen(
                [sys.executable, __file__, *words],
                env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                bufsize=1,
            )
            for rank in range(1, processes)
        ]

        def lines() -> Iterator[str]:
            for line in sys.stdin:
                for other in others:
                    assert other.stdin is not None
                    other.stdin.write(line)
                yield line

        try:
            yield lines()
        finally:
            for other in others:
                other.kill()
                other.wait()


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speed", nargs="*", default=["auto"])
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args(words)
    with told(words, given.processes) as lines:
        serve(Ours(given.speed, given.processes), lines)


if __name__ == "__main__":
    main(sys.argv[1:])
