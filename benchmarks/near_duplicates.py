"""How far apart the hashes of copies and of different pictures are, and how long the search for near ones takes.

python benchmarks/near_duplicates.py
python benchmarks/near_duplicates.py --search 1000000 --distance 6
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image
from toonforge_samples.credits import samples

from toonforge.data import read_picture
from toonforge.prepare.duplicates.hashes import hashed
from toonforge.prepare.duplicates.near import near_pairs
from toonforge.prepare.quality.measures import standard

LIMITS = (0, 2, 4, 6, 8, 10, 12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search", type=int, help="time the search among so many random hashes instead")
    parser.add_argument("--distance", type=int, default=6)
    given = parser.parse_args()
    if given.search:
        search(given.search, given.distance)
    else:
        distances()


def search(count: int, distance: int) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    copies = count // 20
    hashes[:copies] = hashes[-copies:] ^ (np.uint64(1) << rng.integers(0, 64, copies).astype(np.uint64))
    began = time.perf_counter()
    first, _, _ = near_pairs(hashes, distance)
    print(f"{count:,} hashes, distance {distance}: {len(first):,} pairs in {time.perf_counter() - began:.2f} s")


def distances() -> None:
    pictures = [Image.fromarray(read_picture(sample.path)) for sample in samples()]
    hashes = np.array([number(picture) for picture in pictures], np.uint64)
    print(f"{'copies found at a distance of':<32}" + "".join(f"{limit:>6}" for limit in LIMITS))
    for name, change in CHANGES.items():
        changed = np.array([number(change(picture)) for picture in pictures], np.uint64)
        bits = [(int(a) ^ int(b)).bit_count() for a, b in zip(hashes, changed)]
        shares = (sum(found <= limit for found in bits) / len(bits) for limit in LIMITS)
        print(f"{name:<32}" + "".join(f"{share:>6.0%}" for share in shares))
    apart = [(int(a) ^ int(b)).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    print(f"\n{len(apart):,} pairs of different pictures, by distance:")
    for bits, pairs in enumerate(np.bincount(apart)):
        if pairs:
            print(f"{bits:>4}{pairs:>7}  {'#' * (60 * pairs // np.bincount(apart).max())}")


def number(picture: Image.Image) -> int:
    """The hash as `toonforge data dedupe` takes it."""
    return int(hashed(standard(np.asarray(picture))), 16)


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def change(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return change


def scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: picture.resize((round(picture.width * factor), round(picture.height * factor)))


def cut(share: float, sides: int) -> Callable[[Image.Image], Image.Image]:
    """Cut a share of each side away: all around, or all of it above and at the left."""

    def change(picture: Image.Image) -> Image.Image:
        across, down = round(picture.width * share), round(picture.height * share)
        left, top = (across // 2, down // 2) if sides == 4 else (across, down)
        return picture.crop((left, top, picture.width - across + left, picture.height - down + top))

    return change


def brighter(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: picture.point([min(255, round(level * factor)) for level in range(256)] * 3)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": scaled(0.5),
    "a third of the size": scaled(1 / 3),
    "twice the size": scaled(2),
    "JPEG of quality 50": jpeg(50),
    "JPEG of quality 10": jpeg(10),
    "half the size, quality 50": lambda picture: jpeg(50)(scaled(0.5)(picture)),
    "cut by 2 %, all around": cut(0.02, 4),
    "cut by 2 %, on two sides": cut(0.02, 2),
    "cut by 5 %, all around": cut(0.05, 4),
    "brighter by a fifth": brighter(1.2),
    "darker by three tenths": brighter(0.7),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "turned by 2 degrees": lambda picture: picture.rotate(2, Image.Resampling.BICUBIC),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


if __name__ == "__main__":
    main()
