"""What a process was doing when it was killed: a page of memory that it shares with the one that kills it."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

ACTIVITIES: dict[str, tuple[str, ...]] = {
    "building networks": ("toonforge.train.trainer:Trainer.__init__",),
    "describing the folder": (
        "toonforge.runs.folder:RunFolder.begin",
        "toonforge.runs.folder:RunFolder.list_data",
        "toonforge.runs.folder:RunFolder.describe",
    ),
    "checking the folder": ("toonforge.runs.folder:RunFolder.changes",),
    "restoring a checkpoint": ("toonforge.train.saving:Saving.restore",),
    "cutting the log": (
        "toonforge.runs.folder:RunFolder.truncate_log",
        "toonforge.runs.folder:RunFolder.remove_pictures",
    ),
    "training a step": ("toonforge.train.step:Training.step",),
    "writing a checkpoint": ("toonforge.train.checkpoint:Checkpoints.save",),
    "naming the best": ("toonforge.train.checkpoint:Checkpoints.name_best",),
    "drawing a grid": ("toonforge.validation.validation:Validation.draw",),
    "measuring": ("toonforge.validation.validation:Validation.measure",),
    "writing the report": ("toonforge.report.writer:ReportWriter._write",),
    "writing the log": ("toonforge.runs.folder:RunFolder.write_event",),
}
"""What a run does -> the methods that do it. Within another activity the innermost counts; "other work" is the rest."""
NAMES = ("other work", *ACTIVITIES)
_DOING, _STEP, _SAVED, _OPERATION, _BEGAN, _SEEN, _TOOK = 0, 1, 2, 3, 4, 16, 48


class Page:
    """Shared with the processes that are forked off after it was made."""

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")

    def clear(self) -> None:
        for index in range(len(self._words)):
            self._words[index] = 0
        self._words[_BEGAN] = -1

    @property
    def doing(self) -> str:
        return NAMES[self._words[_DOING]]

    @property
    def step(self) -> int:
        """The last step that was trained by this start; 0 before."""
        return self._words[_STEP]

    @property
    def saved(self) -> int:
        """The step of the last checkpoint that was written to its end, or resumed from; 0 before."""
        return self._words[_SAVED]

    @property
    def began(self) -> int | None:
        """The step that this start began at; None where it was not known yet."""
        return None if self._words[_BEGAN] < 0 else self._words[_BEGAN]

    @property
    def operations(self) -> int:
        """How many changes of the disk there were."""
        return self._words[_OPERATION]

    def count_operation(self) -> int:
        self._words[_OPERATION] += 1
        return self._words[_OPERATION]

    def seen(self, activity: str) -> int:
        """How often an activity was begun."""
        return self._words[_SEEN + NAMES.index(activity)]

    def took(self, activity: str) -> float:
        """Seconds of one of these, in the mean."""
        return self._words[_TOOK + NAMES.index(activity)] / 1e9 / max(1, self.seen(activity))

    def watch(self, begun: Callable[[str, int], None]) -> None:
        """Wrap the run's methods, in the process that is to be killed. `begun`: told an activity and its how manieth."""
        for activity, places in ACTIVITIES.items():
            for place in places:
                self._wrap(place, NAMES.index(activity), begun)
        self._note_steps()

    def _wrap(self, place: str, number: int, begun: Callable[[str, int], None]) -> None:
        module, _, name = place.partition(":")
        owner, _, method = name.partition(".")
        cls = getattr(import_module(module), owner)
        inner = getattr(cls, method)
        words = self._words

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            outer, words[_DOING] = words[_DOING], number
            words[_SEEN + number] += 1
            begun(NAMES[number], words[_SEEN + number])
            began = time.monotonic_ns()
            try:
                return inner(*args, **kwargs)
            finally:
                words[_DOING] = outer
                words[_TOOK + number] += time.monotonic_ns() - began

        setattr(cls, method, wrapped)

    def _note_steps(self) -> None:
        from toonforge.runs.folder import RunFolder
        from toonforge.train.checkpoint import Checkpoints
        from toonforge.train.saving import Saving
        from toonforge.train.step import Training

        words = self._words
        step, save, restore, begin = Training.step, Checkpoints.save, Saving.restore, RunFolder.begin

        def stepped(training: Training, number: int, *args: Any) -> Any:
            step(training, number, *args)
            words[_STEP] = number + 1

        def saved(checkpoints: Checkpoints, number: int, *args: Any) -> Any:
            folder = save(checkpoints, number, *args)
            words[_SAVED] = number
            return folder

        def restored(saving: Saving) -> Any:
            found = restore(saving)
            words[_STEP] = words[_SAVED] = words[_BEGAN] = found[0]
            return found

        def begun(folder: RunFolder, *args: Any) -> None:
            begin(folder, *args)
            words[_BEGAN] = 0

        Training.step, Checkpoints.save, Saving.restore = stepped, saved, restored  # type: ignore[method-assign, assignment]
        RunFolder.begin = begun  # type: ignore[method-assign]


def end_here() -> None:
    """As `kill -9`, of this very process."""
    os.kill(os.getpid(), 9)
