"""Quick norms and channels-last on one ResNet, in turns: milliseconds of the processor, medians, minima and ratios.

OMP_NUM_THREADS=1 python benchmarks/kernels.py
OMP_NUM_THREADS=1 python benchmarks/kernels.py --side 256 --turns 6 --blocks 9 --width 64
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch

from toonforge.nn.resnet import ResnetGenerator
from toonforge.speed.choice import Speed
from toonforge.speed.layout import arranged
from toonforge.speed.pages import keep_pages

VARIANTS = {"safe": (), "quick-norms": ("quick-norms",), "both": ("quick-norms", "channels-last")}


def measure(side: int, turns: int, blocks: int, batch: int, width: int) -> None:
    """Print one line a variant: a training pass forward and backward, and a pass without gradient."""
    keep_pages()
    base = ResnetGenerator(blocks=blocks, width=width)
    networks = {name: arranged(copy.deepcopy(base), Speed(tricks=tricks), "cpu") for name, tricks in VARIANTS.items()}
    x = torch.randn(batch, 3, side, side)
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(turns + 1):
        for name, network in networks.items():
            network.zero_grad()
            began = time.process_time()
            network(x).square().mean().backward()
            taken.setdefault((name, "train"), []).append(1e3 * (time.process_time() - began))
            with torch.inference_mode():
                began = time.process_time()
                network(x)
                taken.setdefault((name, "infer"), []).append(1e3 * (time.process_time() - began))
    for (name, what), found in taken.items():
        median, least, safe = statistics.median(found[1:]), min(found[1:]), taken["safe", what][1:]
        ratio = f"{median / statistics.median(safe):.2f} of safe, {least / min(safe):.2f} of its least"
        print(f"{what:6} {name:12} median {median:8.1f} ms, least {least:8.1f} ms: {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="of the pictures (default %(default)s)")
    parser.add_argument("--turns", type=int, default=6, help="that count (default %(default)s)")
    parser.add_argument("--blocks", type=int, default=2, help="of the network (default %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="pictures in a batch (default %(default)s)")
    parser.add_argument("--width", type=int, default=64, help="channels of the first convolution (default %(default)s)")
    given = parser.parse_args()
    measure(given.side, given.turns, given.blocks, given.batch, given.width)


if __name__ == "__main__":
    main()
