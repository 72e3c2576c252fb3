"""How long the quick verbs take: best and median wall time over a few runs, and whether torch was loaded.

    python benchmarks/startup.py
    python benchmarks/startup.py --repeats 3

And `toonforge run` until the end of its first step, by its parts: see `first_step.py`, which takes any recipe.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import first_step

COMMANDS = (
    ["--help"],
    ["list"],
    ["check", "cyclegan/cyclegan", "--no-data"],
    ["show", "cyclegan/unet"],
    ["plugins"],
)
PROBE = "import sys; from toonforge.cli import main; main({!r}); sys.exit('torch' in sys.modules)"


def measure(words: list[str], repeats: int) -> tuple[float, float]:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "toonforge", *words], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return min(times), statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each command (default %(default)s)")
    repeats = parser.parse_args().repeats
    print(f"{'toonforge …':<40}{'best':>8}{'median':>8}  torch")
    for words in COMMANDS:
        best, median = measure(words, repeats)
        probe = subprocess.run([sys.executable, "-c", PROBE.format(words)], check=False, stdout=subprocess.DEVNULL)
        loaded = "loaded" if probe.returncode else "not loaded"
        print(f"{' '.join(words):<40}{best:>7.2f}s{median:>7.2f}s  {loaded}")
    print("\ntoonforge run cyclegan/cyclegan, 256 pixels, width 16, from the command to the end of the first step:")
    first_step.table(None, [], repeats)


if __name__ == "__main__":
    main()
