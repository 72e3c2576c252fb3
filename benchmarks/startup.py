"""How long the quick verbs take: best and median wall time over a few runs, and whether torch was loaded.

Python's byte code is kept in a folder of its own for this, as it is on a machine that has called them before.

    python benchmarks/startup.py
    python benchmarks/startup.py --repeats 3

And `toonforge run` until the end of its first step, by its parts: see `first_step.py`, which takes any recipe.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import first_step

COMMANDS = (
    ["--help"],
    ["list"],
    ["check", "recipes/anime_unet.toml"],
    ["check", "cyclegan/cyclegan", "--no-data"],
    ["show", "cyclegan/unet"],
    ["plugins"],
)
ROOT = Path(__file__).parent.parent
PROBE = "import sys; from toonforge.cli import main; main({!r}); sys.exit('torch' in sys.modules)"


def measure(words: list[str], repeats: int) -> tuple[float, float]:
    times = []
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        environment["PYTHONPYCACHEPREFIX"] = folder
        for _ in range(1 + repeats):  # the first writes the byte code
            began = time.perf_counter()
            command = [sys.executable, "-m", "toonforge", *words]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=ROOT)
            times.append(time.perf_counter() - began)
    return min(times[1:]), statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each command (default %(default)s)")
    repeats = parser.parse_args().repeats
    print(f"{'toonforge …':<40}{'best':>8}{'median':>8}  torch")
    for words in COMMANDS:
        best, median = measure(words, repeats)
        code = [sys.executable, "-c", PROBE.format(words)]
        probe = subprocess.run(code, check=False, stdout=subprocess.DEVNULL, cwd=ROOT)
        loaded = "loaded" if probe.returncode else "not loaded"
        print(f"{' '.join(words):<40}{best:>7.2f}s{median:>7.2f}s  {loaded}")
    print("\ntoonforge run cyclegan/cyclegan, 256 pixels, width 16, from the command to the end of the first step:")
    first_step.table(None, [], repeats)


if __name__ == "__main__":
    main()
