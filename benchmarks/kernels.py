"""Quick norms, channels-last and Winograd's convolutions on one ResNet, in turns: milliseconds and ratios.

    python benchmarks/kernels.py
    python benchmarks/kernels.py --side 256 --turns 6 --blocks 9

A training pass is forward and backward; a pass without gradient keeps Winograd's filters, as translating does. Medians,
and the medians of the turns' ratios to the line before, with their quartiles.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch

from toonforge.nn.resnet import ResnetGenerator
from toonforge.nn.winograd import keep_filters
from toonforge.speed.choice import Speed
from toonforge.speed.layout import arranged
from toonforge.speed.pages import keep_pages

TRICKS = ("quick-norms", "channels-last", "winograd")


def measure(side: int, turns: int, blocks: int, batch: int, width: int) -> None:
    """Print a line for no trick, the first, the first two, all: of training passes, then of those without gradient."""
    keep_pages()
    base = ResnetGenerator(blocks=blocks, width=width)
    networks = [arranged(copy.deepcopy(base), Speed(tricks=TRICKS[:count]), "cpu") for count in range(len(TRICKS) + 1)]
    x = torch.randn(batch, 3, side, side)
    train: list[list[float]] = [[] for _ in networks]
    infer: list[list[float]] = [[] for _ in networks]
    for network in networks:
        keep_filters(network)
    for turn in range(turns + 1):
        order = [*enumerate(networks)]
        for index, network in order if turn % 2 else reversed(order):
            network.zero_grad()
            began = time.perf_counter()
            network(x).square().mean().backward()
            train[index].append(1e3 * (time.perf_counter() - began))
            with torch.inference_mode():
                network(x)  # filters are kept from here on
                began = time.perf_counter()
                network(x)
                infer[index].append(1e3 * (time.perf_counter() - began))
    for what, taken in (("train", train), ("infer", infer)):
        for index, found in enumerate(taken):
            name = f"and {TRICKS[index - 1]}" if index else "safe"
            line = f"{what} {name:17} median {statistics.median(found[1:]):8.1f} ms"
            if index:
                ratios = [one / other for one, other in zip(found[1:], taken[index - 1][1:])]
                low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
                line += f", {middle:.3f} ({low:.3f} to {high:.3f}) of the line before"
            print(line)


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
