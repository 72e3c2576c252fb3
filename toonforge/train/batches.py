"""The batches of a training from its next step on, and what is done where no further one can be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.components import ImageSource
from toonforge.data.loader import Batch, TrainLoader
from toonforge.errors import DataError, RunError
from toonforge.recipe.model import Train
from toonforge.runs.described import resume_command

if TYPE_CHECKING:
    from accelerate import Accelerator


def loader_of(
    train: Train, source: ImageSource, accelerator: Accelerator, folder: Path, *, start_step: int, total_steps: int
) -> TrainLoader:
    """The batches of this process for the run in a folder, from `start_step` on."""
    return TrainLoader(
        source,
        seed=train.seed,
        batch_size=train.batch_size,
        start_step=start_step,
        total_steps=total_steps,
        rank=accelerator.process_index,
        processes=accelerator.num_processes,
        parts=train.accumulate,
        workers=train.workers,
        pin_memory=accelerator.device.type == "cuda",
        resume=resume_command(folder),
    )


def reads_ahead(loader: TrainLoader, accelerator: Accelerator) -> int:
    """How many batches are read before they are asked for, while the step before them computes.

    On a GPU one: the processor has little else to do there. On a CPU reading would take what the step computes with,
    and background workers read ahead by themselves.
    """
    return int(accelerator.device.type == "cuda" and loader.may_read_ahead)


def safely(batches: Iterator[Batch], save: Callable[[], None]) -> Iterator[Batch]:
    """The batches. Where no further one can be had, what was trained until then is saved before that is told."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (DataError, RunError, MemoryError):
            with suppress(Exception):
                save()
            raise
        yield batch
        del batch
