"""CycleGAN's step in several processes, each with its share of the cores, against one process with all of them.

    python benchmarks/processes.py
    python benchmarks/processes.py --size 256 --width 64 --blocks 9 --turns 3 --compare-size 64
    python benchmarks/processes.py --processes 2 --batch 8 --size 64 --width 16

Both make the same steps of the same global batch, of which each process has its share; the processes average their
gradients. They take turns, as in benchmarks/step.py, and their losses are compared first. Memory is of the first
process; the others need as much each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

import attrs
import torch
from programs.protocol import Start
from programs.speeds import speed
from step import HERE, compare, draw_weights, measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="that train together (default 2)")
    parser.add_argument("--batch", type=int, help="of all together; one picture each when left out")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures (default 128)")
    parser.add_argument("--width", type=int, default=32, help="channels of the first convolutions (default 32)")
    parser.add_argument("--blocks", type=int, default=6, choices=(6, 9), help="of the generators (default 6)")
    parser.add_argument("--speed", type=speed, default="auto", help="auto, safe, or TRICK,TRICK,…")
    parser.add_argument("--turns", type=int, default=10, help="steps that count (default 10)")
    parser.add_argument("--warmup", type=int, default=1, help="steps that do not (default 1)")
    parser.add_argument("--seconds", type=float, help="begin no turn after this many seconds of measuring")
    parser.add_argument("--compare", type=int, default=3, help="steps whose losses are compared; 0: none (default 3)")
    parser.add_argument("--compare-size", type=int, help="side of the pictures for that; --size when left out")
    parser.add_argument("--loud", action="store_true", help="show what the processes say")
    given = parser.parse_args()
    given.precision = "fp32"
    cores, count = os.cpu_count() or 1, given.processes
    each = max(1, cores // count)
    ours = f"{sys.executable} {HERE}/programs/ours.py {given.speed.replace(',', ' ')}"
    programs = {
        f"{count} processes": f"env OMP_NUM_THREADS={each} {ours} --processes {count}",
        "one": f"env OMP_NUM_THREADS={cores} {ours}",
    }
    with tempfile.TemporaryDirectory() as place:
        batch = given.batch or count
        start = Start(
            method="cyclegan", weights=place, size=given.size, batch=batch, width=given.width, blocks=given.blocks
        )
        draw_weights(start)
        print(f"CycleGAN, {given.size} pixels, batch {batch}, width {given.width}, torch {torch.__version__}: ", end="")
        print(f"{count} processes of {each} threads, one of {cores}, on {cores} cores")
        small = attrs.evolve(start, size=given.compare_size or given.size)
        if given.compare and not compare(programs, small, given.compare, {}, given.loud):
            sys.exit("the losses are not the same: nothing was timed")
        for line in measure(programs, start, given, {}):
            print(line)


if __name__ == "__main__":
    main()
