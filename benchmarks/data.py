"""How many pictures a second one core makes ready for training, beside the plain pipeline of the classic code.

    python benchmarks/data.py
    python benchmarks/data.py --sizes 512 --batch-size 1

The plain pipeline is that of pytorch-CycleGAN-and-pix2pix, written out: open with Pillow, convert to RGB, resize to
286x286 (bicubic), crop 256x256, mirror every second, to a float tensor, normalise; once by itself, once in batches by
torch's DataLoader. This package's is measured whole: data set, order, augmentation, batches (bytes, which are
normalised on the device). What it would save to mirror there too shows in the line "never mirrored". All run in turn in
one process on one thread, so that whatever else the machine does slows all down; times are medians of all turns, with
quartiles, and a ratio is the median of the turns' ratios.

The pictures are the photographs and cartoons of the samples, as square JPEG files of each size, read from the disk's
cache in memory.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import attrs
import numpy as np
import torch
from PIL import Image
from toonforge_samples.credits import samples
from torch.utils.data import DataLoader, Dataset

from toonforge.data import Files, Geometry, PictureSource, normalised, read_picture
from toonforge.data.loader import TrainLoader
from toonforge.data.reading import jpeg
from toonforge.data.transforms import scale, scale_fast

LOAD_SIZE, IMAGE_SIZE = 286, 256
GEOMETRY = Geometry(image_size=IMAGE_SIZE, load_size=LOAD_SIZE, flip=True)
PLAIN, IN_BATCHES = "plain", "plain, in batches"


def plain(path: str) -> torch.Tensor:
    """One picture as the classic code reads it: float32 (3, 256, 256) in [-1, 1]."""
    image = Image.open(path).convert("RGB")
    image = image.resize((LOAD_SIZE, LOAD_SIZE), Image.Resampling.BICUBIC)
    left, top = random.randint(0, LOAD_SIZE - IMAGE_SIZE), random.randint(0, LOAD_SIZE - IMAGE_SIZE)
    image = image.crop((left, top, left + IMAGE_SIZE, top + IMAGE_SIZE))
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return pixels.float().div(255).sub_(0.5).div_(0.5)


@attrs.frozen
class Plain(Dataset[torch.Tensor]):
    """The same as a data set of torch."""

    paths: list[str]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return plain(self.paths[index])


def make_pictures(folder: Path, size: int, count: int) -> list[str]:
    """Square JPEG files of a size, of quality 90."""
    paths = []
    for number, sample in enumerate(islice(cycle(samples()), count)):
        with Image.open(sample.path) as image:
            side = min(image.size)
            square = image.convert("RGB").crop((0, 0, side, side)).resize((size, size), Image.Resampling.BICUBIC)
        path = folder / f"{size}-{number}.jpg"
        square.save(path, quality=90)
        paths.append(path.as_posix())
    return paths


Turn = Callable[[], None]
"""Makes one turn's pictures ready."""


def turns(paths: list[str], batch_size: int) -> Iterator[tuple[str, Turn]]:
    """(name, what to time) of each way to read the pictures, all of them once a turn."""

    def plainly() -> None:
        for path in paths:
            plain(path)

    def ours(then: Callable[[torch.Tensor], object] = lambda batch: None, **settings: object) -> Turn:
        geometry = attrs.evolve(GEOMETRY, flip=settings.pop("flip", True))
        source = PictureSource({"photo": {"photo": Files(paths)}}, geometry, **settings)  # type: ignore[arg-type]
        batches = iter(TrainLoader(source, seed=0, batch_size=batch_size, total_steps=10**9))

        def turn() -> None:
            for batch in islice(batches, len(paths) // batch_size):
                then(batch.parts[0]["photo"])

        return turn

    in_batches = DataLoader(Plain(paths), batch_size=batch_size, shuffle=True)

    def plainly_in_batches() -> None:
        for _ in in_batches:
            pass

    yield PLAIN, plainly
    yield IN_BATCHES, plainly_in_batches
    yield "uncached", ours(cache="none")
    yield "uncached, normalised too", ours(normalised, cache="none")
    yield "uncached, without simplejpeg", without_simplejpeg(ours(cache="none"))
    yield "reduced decoding", ours(cache="none", reduced=True)
    yield "memory cache", ours(cache="memory")
    yield "memory cache, normalised too", ours(normalised, cache="memory")
    yield "memory cache, never mirrored", ours(cache="memory", flip=False)
    yield "disk cache", ours(cache="disk")


def without_simplejpeg(turn: Turn) -> Turn:
    """The same where simplejpeg is not installed."""

    def changed() -> None:
        library = jpeg._library
        jpeg._library = lambda: None  # type: ignore[assignment]
        try:
            turn()
        finally:
            jpeg._library = library

    return changed


def measure(paths: list[str], batch_size: int, repeats: int) -> dict[str, np.ndarray]:
    """Way -> seconds a picture, of each turn. Ways take turns; the first two of each warm caches and do not count."""
    ways = dict(turns(paths, batch_size))
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(2 + repeats):
        for way, turn in ways.items():
            began = time.perf_counter()
            turn()
            seconds[way].append((time.perf_counter() - began) / len(paths))
    return {way: np.array(values[2:]) for way, values in seconds.items()}


def table(seconds: dict[str, np.ndarray]) -> str:
    """A line a way."""
    head = f"{'':<32}{'us a picture':>14}{'quartiles':>16}{'a second':>10}"
    lines = [head + "".join(f"{title:>30}" for title in ("ratio to plain (quartiles)", "to plain in batches"))]
    for way, values in seconds.items():
        low, middle, high = np.percentile(values * 1e6, [25, 50, 75])
        line = f"{way:<32}{middle:>14.0f}{f'{low:.0f} to {high:.0f}':>16}{1e6 / middle:>10.0f}"
        for reference in (PLAIN, IN_BATCHES):
            worst, ratio, best = np.percentile(seconds[reference] / values, [25, 50, 75])
            line += f"{f'{ratio:.2f} ({worst:.1f} to {best:.1f})':>30}"
        lines.append(line)
    return "\n".join(lines)


def differences(paths: list[str]) -> str:
    """How the pixels differ from Pillow's, in words."""
    decoded, worst, share = True, 0, []
    for path in paths:
        with Image.open(path) as image:
            theirs = np.array(image.convert("RGB"))
        ours = read_picture(path)
        decoded &= np.array_equal(ours, theirs)
        apart = np.abs(scale_fast(ours, LOAD_SIZE, LOAD_SIZE).astype(int) - scale(theirs, LOAD_SIZE, LOAD_SIZE))
        worst, share = max(worst, int(apart.max())), [*share, float((apart > 0).mean())]
    values = f"differ by at most {worst} of 255, in {100 * np.mean(share):.2f} % of values" if worst else "are equal"
    return f"pixels: decoded {'equal' if decoded else 'NOT EQUAL'} to Pillow's; scaled they {values}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[286, 512, 1024], help="sides of the files, in pixels")
    parser.add_argument("--batch-size", type=int, default=16, help="pictures in a batch (default 16)")
    parser.add_argument("--pictures", type=int, default=64, help="files of each size (default 64)")
    parser.add_argument("--repeats", type=int, default=15, help="turns that count (default 15)")
    arguments = parser.parse_args()
    if arguments.pictures % arguments.batch_size:
        parser.error("--pictures must be a multiple of --batch-size")
    torch.set_num_threads(1)
    if jpeg._library() is None:
        print("simplejpeg is not installed: JPEG is decoded by Pillow", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOONFORGE_CACHE"] = f"{folder}/cache"
        for size in arguments.sizes:
            paths = make_pictures(Path(folder), size, arguments.pictures)
            kilobytes = np.mean([os.path.getsize(path) for path in paths]) / 1000
            print(f"\nfrom JPEG of {size}x{size} pixels, {kilobytes:.1f} KB on average")
            print(table(measure(paths, arguments.batch_size, arguments.repeats)))
            print(differences(paths))


if __name__ == "__main__":
    main()
