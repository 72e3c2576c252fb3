"""What tests of crashes share: trainings that are killed, how they end undisturbed, and folders in memory for them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import attrs

from tests import tiny
from tests.crashes.disk import Operation
from tests.crashes.doing import Page
from tests.crashes.killing import At, Kill, preload
from tests.crashes.outcome import Ended
from tests.crashes.plans import Timing, everywhere, measured
from tests.crashes.recipe import write_recipe
from tests.crashes.trial import Case, Trial, survive, train_here

MEMORY = Path("/dev/shm")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where there is one: hundreds of trainings wait for the disk some thousand times."""
    folder = Path(tempfile.mkdtemp(prefix="toonforge-crashes-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@attrs.define
class Bench:
    """One training to be killed.

    Attributes:
        case: what is trained.
        pages: one a process.
        expected: how it ends undisturbed.
        points: its operations on the disk, each a kill.
        timings: how long it takes, begun and resumed; measured when first asked for.
    """

    case: Case
    pages: list[Page]
    expected: Ended
    points: list[tuple[At, Operation]]
    _timings: tuple[Timing, Timing] | None = None

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        processes: int = 1,
        train: Callable[[Path, Path, bool], None] = train_here,
        marker: str = "resolved.toml",
        **recipe: int,
    ) -> Bench:
        """Train undisturbed. `recipe`: as `write_recipe` takes it."""
        import torch

        tiny.register()
        preload()
        torch.set_num_threads(1)
        case = Case(
            recipe=write_recipe(folder / "recipes", **recipe),
            place=folder / "whole",
            processes=processes,
            train=train,
            marker=marker,
        )
        pages = [Page() for _ in range(processes)]
        expected = case.uninterrupted(pages)
        return cls(case, pages, expected, everywhere(case.place / "output0.operations"))

    @property
    def timings(self) -> tuple[Timing, Timing]:
        if self._timings is None:
            self._timings = measured(attrs.evolve(self.case, place=self.case.place.with_name("timed")), self.pages)
        return self._timings

    def survive(self, kills: Iterable[Kill], **more: Any) -> Trial:
        """As `trial.survive`."""
        place = self.case.place.with_name("trial")
        return survive(attrs.evolve(self.case, place=place), self.pages, self.expected, kills, **more)


def told(seed: int, kills: Iterable[Kill], trial: Trial) -> str:
    """What to know of a trial that went wrong."""
    return f"seed {seed}, kills {[*kills]}: " + "\n".join(trial.faults)


def stream(seed: int, name: str) -> Random:
    """Random numbers for one purpose."""
    return Random(f"{seed} {name}")
