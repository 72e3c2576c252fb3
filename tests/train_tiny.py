"""Trains a recipe over the tiny components: what tests start in processes of their own.

python -m tests.train_tiny RECIPE FOLDER [--resume]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from tests import tiny
from toonforge import recipe as recipes
from toonforge.train.trainer import train


def main(path: str, folder: str, *flags: str) -> None:
    """Train, and say how it ended."""
    torch.set_num_threads(1)
    tiny.register()
    finished = train(
        recipes.load(Path(path)), folder=Path(folder), source=Path(path), resume="--resume" in flags, cpu=True
    )
    print(finished.reason, finished.step)


if __name__ == "__main__":
    main(*sys.argv[1:])
