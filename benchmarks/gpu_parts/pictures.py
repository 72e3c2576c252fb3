"""Folders of JPEG files, written by all cores. Without torch, which every one of them would load."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image


def write_jpeg(folder: Path, side: int, number: int) -> None:
    """A picture with large shapes and some noise: as long to decode as a photo of its size."""
    rng = np.random.default_rng(number)
    large = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    noise = rng.normal(0, 8, (side, side, 1))
    pixels = (np.asarray(large) + noise).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / f"{number:06}.jpg", quality=90)


def make_folder(folder: Path, count: int, side: int) -> None:
    """So many JPEG files, written by all cores."""
    folder.mkdir(parents=True)
    write = partial(write_jpeg, folder, side)
    if count < 200:
        for number in range(count):
            write(number)
        return
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for _ in pool.map(write, range(count), chunksize=100):
            pass
