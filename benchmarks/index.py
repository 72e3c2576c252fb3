"""What the index of a very large folder takes: seconds to list and part it, and memory, in a process of its own.

python benchmarks/index.py [--files 1000000] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IN_A_FOLDER = 1000

MEASURE = """
import json, resource, sys, time
import numpy, torch
from toonforge.data import UnpairedFolders
from toonforge.data.order import Order

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

before, began = resident(), time.perf_counter()
source = UnpairedFolders(fields={"photo": sys.argv[1]}, validation=0.2, test=0.2).build("train")
seconds, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
index = resident() - before
order = Order(source.sizes, 1, seed=0)
order.draws(0), order.draws(source.sizes["photo"])
print(json.dumps([seconds, index, resident() - before, peak - before, source.sizes["photo"]]))
"""


def make(folder: Path, count: int) -> None:
    """Empty files with the names of pictures."""
    for first in range(0, count, IN_A_FOLDER):
        inner = folder / f"{first // IN_A_FOLDER:04d}"
        inner.mkdir(parents=True, exist_ok=True)
        for number in range(first, min(count, first + IN_A_FOLDER)):
            (inner / f"picture-{number:08d}.jpg").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder to make the files in, or where an earlier call made them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        if not any(folder.glob("*")):
            began = time.perf_counter()
            make(folder, given.files)
            print(f"made {given.files:,} empty files in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        done = subprocess.run([sys.executable, "-c", MEASURE, str(folder)], check=True, capture_output=True, text=True)
    seconds, index, with_order, peak, count = json.loads(done.stdout)
    print(f"{given.files:,} files, {count:,} of them for training")
    print(f"  listed and parted in      {seconds:6.1f} s")
    print(f"  index                     {index:6.0f} MiB")
    print(f"  index and order           {with_order:6.0f} MiB")
    print(f"  most while listing        {peak:6.0f} MiB")


if __name__ == "__main__":
    main()
