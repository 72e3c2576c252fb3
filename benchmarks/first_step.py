"""What passes between `toonforge run` and the end of its first step, by its largest parts.

    python benchmarks/first_step.py
    python benchmarks/first_step.py my.toml --set train.workers=2 --repeats 5

Without a recipe: cyclegan/cyclegan at its own sizes but a width of 16, from two folders of 200 JPEG files that are made
first. Each run is a fresh process and ends with its first step. A part's time is its own: what it calls that has a line
of its own is counted there. Medians over the runs, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import builtins
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SLOW_IMPORTS = ("torch._dynamo", "torch.distributed.tensor", "torch", "torchvision", "accelerate", "numpy", "PIL")
"""Modules whose import has a line of its own."""


class Clock:
    """Seconds by part; the time of a part within another is not the other's."""

    def __init__(self, began: float) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.parts = ["everything else"]
        self.since = time.time()
        self.seconds["Python itself"] = self.since - began

    def switch(self) -> None:
        now = time.time()
        self.seconds[self.parts[-1]] += now - self.since
        self.since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.switch()
        self.parts.append(name)
        try:
            yield
        finally:
            self.switch()
            self.parts.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return within


def watched(clock: Clock, out: str) -> None:
    """Put the clock around what is about to run in this process; the first step is the last thing that it does."""
    ordinary, within = builtins.__import__, []

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        first = next((m for m in SLOW_IMPORTS if name == m or name.startswith(f"{m}.")), None)
        label = f"import {first}" if first else "import toonforge" if name.startswith("toonforge") else None
        if label is None or name in sys.modules or label in within:
            return ordinary(name, *args, **kwargs)
        within.append(label)
        try:
            with clock.part(label):
                return ordinary(name, *args, **kwargs)
        finally:
            within.remove(label)
            if name == "toonforge.train.trainer":
                around_training(clock, out)

    builtins.__import__ = importing


def around_training(clock: Clock, out: str) -> None:
    from toonforge.train import step, trainer
    from toonforge.train.reader import Reader

    def put(owner: Any, name: str, label: str) -> None:
        setattr(owner, name, clock.timed(label, getattr(owner, name)))

    def verify(recipe: Any, *args: Any, _verify: Any = trainer.verify, **kwargs: Any) -> None:
        put(type(recipe.data), "build", "index the data")
        with clock.part("check recipe and data"):
            _verify(recipe, *args, **kwargs)

    def first(self: Any, *args: Any, _step: Any = step.Training.step) -> None:
        with clock.part("the first step"):
            _step(self, *args)
        clock.switch()
        Path(out).write_text(json.dumps(clock.seconds))
        os._exit(0)

    setattr(trainer, "verify", verify)  # noqa: B010 -- mypy knows it as a function
    setattr(step.Training, "step", first)  # noqa: B010
    put(trainer, "make_accelerator", "find the device")
    put(step, "build_networks", "build the networks")
    put(step.Training, "__init__", "optimizers and engine")
    put(trainer, "describe_run", "describe the run in its folder")
    put(trainer.Trainer, "_validation", "metrics")
    put(Reader, "next", "the first batch")


def run(arguments: list[str], out: str, began: float) -> None:
    """In the process that is timed."""
    clock = Clock(began)
    watched(clock, out)
    from toonforge.cli import main as toonforge
    from toonforge.cli import run as verb

    verb.load = clock.timed("read the recipe", verb.load)
    verb.verify = clock.timed("check recipe and data", verb.verify)
    raise SystemExit(f"no step was made: exit {toonforge(arguments)}")


def pictures(folder: Path, count: int = 200) -> str:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("photo", "anime"):
        (folder / name).mkdir()
        for number in range(count):
            soft = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((300, 300))
            soft.save(folder / name / f"{number}.jpg")
    return f'{{photo="{folder}/photo", anime="{folder}/anime"}}'


def main() -> None:
    if os.environ.get("FIRST_STEP"):
        out, began = os.environ.pop("FIRST_STEP").rsplit("@", 1)
        run(sys.argv[1:], out, float(began))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    table(asked.recipe, asked.overrides, asked.repeats)


def table(recipe: str | None, given: Sequence[str], repeats: int) -> None:
    """Run so often, and print the parts, the largest first."""
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        overrides = list(given)
        if recipe is None:
            overrides += [f"{kind}.width=16" for kind in ("generators.G", "generators.F")]
            overrides += [f"discriminators.D_{kind}.width=16" for kind in ("anime", "photo")]
            overrides.append(f"data.fields={pictures(Path(folder))}")
        words = ["run", recipe or "cyclegan/cyclegan", *(w for o in overrides for w in ("--set", o))]
        for number in range(repeats):
            out = Path(folder) / f"{number}.json"
            marked = {**os.environ, "FIRST_STEP": f"{out}@{time.time()}"}
            command = [sys.executable, __file__, *words, "--out", f"{folder}/run-{number}"]
            done = subprocess.run(command, env=marked, check=False, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            found.append(json.loads(out.read_text()))
    totals = [sum(each.values()) for each in found]
    print(f"{'':<34}{'median':>8}{'lowest-highest':>18}")
    parts = {name: [each.get(name, 0.0) for each in found] for name in {n for each in found for n in each}}
    for name, seconds in sorted(parts.items(), key=lambda item: -statistics.median(item[1])):
        print(f"{name:<34}{statistics.median(seconds):>7.2f}s{f'{min(seconds):.2f}-{max(seconds):.2f} s':>18}")
    print(f"{'to the end of the first step':<34}{statistics.median(totals):>7.2f}s", end="")
    print(f"{f'{min(totals):.2f}-{max(totals):.2f} s':>18}")


if __name__ == "__main__":
    main()
