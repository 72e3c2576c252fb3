"""`toonforge translate` beside other programs, each a whole process: from a folder of JPEG files to PNG files.

    python benchmarks/translate_against.py --size 256 --pictures 20
    python benchmarks/translate_against.py --size 512 --pictures 6 --against "python /elsewhere/translate.py"

All translate the same square pictures of the samples with the same weights of CycleGAN's generator (drawn, not
trained: it is the same work), and take turns, so that whatever else the machine does slows all of them. The others are
the plain loop (benchmarks/reference/translate.py) and every command given by `--against`, which is called as

    COMMAND WEIGHTS FOLDER OUT

with a .safetensors file (tensors named as in the classic code's files), a folder with pictures of one size, and the
folder where it must write NAME.png for each NAME.jpg.

Every turn a program translates one picture, which takes what starting takes, and all of them. "pictures/s" is of the
others, starting left out; "whole" counts everything. Medians of all turns with the lowest and the highest; a ratio is
the median of the turns' ratios to the last program. No pixel may differ by more than 2 of 255 (some programs round
down).
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from reference.networks import resnet
from safetensors.torch import save_file
from toonforge_samples.credits import samples

HERE = Path(__file__).parent
MOST = 2
"""Levels of 255 that a pixel may differ by."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", action="append", default=[], metavar="COMMAND", help="another program")
    parser.add_argument("--without-plain", action="store_true", help="leave out the plain loop")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures (default 256)")
    parser.add_argument("--pictures", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--width", type=int, default=64, help="of the generator (default 64)")
    parser.add_argument("--blocks", type=int, default=9, choices=(6, 9), help="of the generator (default 9)")
    parser.add_argument("--turns", type=int, default=3, help="that count (default 3)")
    parser.add_argument("--options", default="", help="of toonforge translate, besides")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        torch.manual_seed(0)
        save_file(resnet(given.width, given.blocks).state_dict(), root / "G.safetensors")
        imported = [sys.executable, "-m", "toonforge", "import", "G.safetensors", "--out", "model.safetensors"]
        subprocess.run(imported, check=True, cwd=root, stdout=subprocess.DEVNULL)
        make_pictures(root / "one", given.size, 1)
        make_pictures(root / "all", given.size, given.pictures)
        programs = commands(given, root)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for turn in range(given.turns):
            for name in list(programs) if turn % 2 else list(programs)[::-1]:
                one, every = (translate(programs[name], root, what, name) for what in ("one", "all"))
                times[name].append((one, every))
        print(
            f"{given.pictures} pictures of {given.size} pixels, ResNet of {given.blocks} blocks, width {given.width}, "
            f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, {given.turns} turns"
        )
        print("\n".join(table(times, given.pictures)))
        *others, last = programs
        for name in others:
            apart = largest_difference(root / name, root / last)
            print(f"largest difference of a pixel, {name} and {last}: {apart} of 255")
            if apart > MOST:
                sys.exit("these are not the same pictures")


def make_pictures(folder: Path, size: int, count: int) -> None:
    folder.mkdir()
    photos = [sample.path for sample in samples() if sample.kind == "photo"]
    for number, path in enumerate(islice(cycle(photos), count)):
        with Image.open(path) as image:
            image.convert("RGB").resize((size, size)).save(folder / f"{number:04}.jpg", quality=95)


def commands(given: argparse.Namespace, root: Path) -> dict[str, list[str]]:
    """Name -> words, in which IN and OUT stand for folders."""
    weights = str(root / "G.safetensors")
    model = str(root / "model.safetensors")
    ours = [sys.executable, "-m", "toonforge", "translate", model, "IN", "--out", "OUT", "--format", "png", "--force"]
    found = {"ours": [*ours, *shlex.split(given.options)]}
    if not given.without_plain:
        found["plain"] = [sys.executable, str(HERE / "reference/translate.py"), weights, "IN", "OUT"]
    for number, command in enumerate(given.against, 1):
        name = "against" if len(given.against) == 1 else f"against {number}"
        found[name] = [*shlex.split(command), weights, "IN", "OUT"]
    return found


def translate(words: list[str], root: Path, what: str, name: str) -> float:
    """Seconds of one process."""
    out = root / name
    shutil.rmtree(out, ignore_errors=True)
    places = {"IN": str(root / what), "OUT": str(out)}
    began = time.perf_counter()
    done = subprocess.run([places.get(word, word) for word in words], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def table(times: dict[str, list[tuple[float, float]]], pictures: int) -> list[str]:
    """A line a program."""
    head = f"{'':<12}{'pictures/s (range)':>26}{'ratio (range)':>24}{'whole/s':>10}{'ratio':>8}{'start, s':>10}"
    starts = {name: statistics.median(one for one, _ in turns) for name, turns in times.items()}
    rates = {
        name: [(pictures - 1) / max(every - starts[name], 1e-3) for _, every in turns] for name, turns in times.items()
    }
    whole = {name: [pictures / every for _, every in turns] for name, turns in times.items()}
    last = next(reversed(times))

    def spread(values: list[float], digits: int) -> str:
        return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"

    lines = [head]
    for name in times:
        ratios = [mine / theirs for mine, theirs in zip(rates[name], rates[last])]
        of_whole = statistics.median(mine / theirs for mine, theirs in zip(whole[name], whole[last]))
        lines.append(
            f"{name:<12}{spread(rates[name], 3):>26}{spread(ratios, 2):>24}"
            f"{statistics.median(whole[name]):>10.3f}{of_whole:>8.2f}{starts[name]:>10.1f}"
        )
    return lines


def largest_difference(one: Path, other: Path) -> int:
    def read(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path).convert("RGB")).astype(int)

    names = sorted(path.name for path in one.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return 255
    return max(int(np.abs(read(one / name) - read(other / name)).max()) for name in names)


if __name__ == "__main__":
    main()
