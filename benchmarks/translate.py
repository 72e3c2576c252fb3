"""Pictures a second of `toonforge translate` beside one picture after another, the way it was done before.

    python benchmarks/translate.py MODEL
    python benchmarks/translate.py runs/anime_unet --pictures 40 --side 512 --turns 5

One after another: read, translate, encode, write, on one thread and the device of the model. Both write the same
pictures of the samples, scaled so that their longer side is `--side`, as JPEG files; they take turns in one process,
so that whatever else the machine does slows both. Medians of all turns with the lowest and the highest, and the ratio
is the median of the turns' ratios. The outputs of the two are compared: no pixel may differ by more than 1 of 255.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from toonforge_samples.credits import samples

import toonforge
from toonforge.data.reading.picture import read_picture
from toonforge.use.model import Model
from toonforge.use.pictures.devices import in_words, on_every_device
from toonforge.use.pictures.pipeline import Pipeline
from toonforge.use.pictures.plan import Job, plan


def one_after_another(model: Model, jobs: tuple[Job, ...]) -> None:
    """As it was before there were batches and threads."""
    for job in jobs:
        assert job.source is not None and job.target is not None
        pixels = torch.from_numpy(np.array(read_picture(job.source, max_aspect=None)))
        made = model.compute(pixels.permute(2, 0, 1)[None].float() / 127.5 - 1)[0]
        rows = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        job.target.parent.mkdir(exist_ok=True)
        Image.fromarray(rows).save(job.target, quality=95)


def in_a_pipeline(models: list[Model], jobs: tuple[Job, ...], batch: int | None) -> None:
    for outcome in Pipeline(models, jobs, batch=batch):
        assert outcome.problem is None, outcome


def largest_difference(one: Path, other: Path) -> int:
    def read(path: Path) -> np.ndarray:
        return np.asarray(Image.open(path)).astype(int)

    return max(int(np.abs(read(path) - read(other / path.name)).max()) for path in one.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--cpu", action="store_true")
    given = parser.parse_args()
    model = toonforge.load(given.model, cpu=given.cpu)
    models = on_every_device(model, given.pictures)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "in").mkdir()
        photos = [sample.path for sample in samples() if sample.kind == "photo"]
        for number, path in enumerate(islice(cycle(photos), given.pictures)):
            with Image.open(path) as image:
                ratio = given.side / max(image.size)
                size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
                image.convert("RGB").resize(size).save(root / "in" / f"{number:04}.jpg", quality=95)
        times: dict[str, list[float]] = {"one after another": [], "pipeline": []}
        for turn in range(given.turns + 1):
            works: dict[str, Callable[[tuple[Job, ...]], None]] = {
                "one after another": lambda jobs: one_after_another(model, jobs),
                "pipeline": lambda jobs: in_a_pipeline(models, jobs, given.batch),
            }
            for name in list(works) if turn % 2 else list(works)[::-1]:
                jobs = plan([root / "in"], root / name, force=True).jobs
                begun = time.perf_counter()
                works[name](jobs)
                if turn:  # the first is for warming up
                    times[name].append(time.perf_counter() - begun)
        difference = largest_difference(root / "one after another", root / "pipeline")
    print(f"{given.pictures} pictures, longer side {given.side}, {model.recipe} on {in_words(models)}, ", end="")
    print(f"{torch.get_num_threads()} threads of torch, {given.turns} turns")
    for name, seconds in times.items():
        rates = sorted(given.pictures / second for second in seconds)
        print(f"{name:<20}{statistics.median(rates):8.2f} pictures/s  ({rates[0]:.2f} to {rates[-1]:.2f})")
    ratios = [before / now for before, now in zip(*times.values())]
    print(f"ratio {statistics.median(ratios):.2f}, largest difference of a pixel {difference} of 255")


if __name__ == "__main__":
    main()
