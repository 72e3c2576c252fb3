"""How long each picture filter takes on one thread: the embedded photographs at 256x256, best of five.

python benchmarks/filters.py
"""

from __future__ import annotations

import argparse
import time

from toonforge_samples.credits import samples

from toonforge.data import read_picture, scale_short_side
from toonforge.data.filters.fields import FILTERS
from toonforge.data.filters.opencv import opencv

PICTURES, REPEATS, SIDE = 16, 5, 256


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    opencv().setNumThreads(1)
    photos = [sample.path for sample in samples() if sample.kind == "photo"][:PICTURES]
    pictures = [scale_short_side(read_picture(path), SIDE)[:SIDE, :SIDE] for path in photos]
    for name, styles in FILTERS.items():
        for style, function in styles.items():
            times = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                for picture in pictures:
                    function(picture)
                times.append(time.perf_counter() - began)
            print(f"{' '.join((name, style)):<24}{1000 * min(times) / len(pictures):>8.2f} ms a picture")


if __name__ == "__main__":
    main()
