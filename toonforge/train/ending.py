"""How a start of a run ends: at its end, stopped, or by an error; its log and those who listen hear of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from toonforge import events
from toonforge.errors import RunError
from toonforge.train.failures import in_a_line
from toonforge.train.looking import Looking
from toonforge.train.lost import lost
from toonforge.train.process import device_name
from toonforge.train.saving import Saving
from toonforge.train.short import short_of_memory
from toonforge.train.telling import Telling


class Ending:
    """The end of one start of a run, which begins when this is made.

    Args:
        telling: is told of it.
        looking, saving: what they saw and kept last is told.
        done: how many steps are done now.
    """

    def __init__(self, telling: Telling, looking: Looking, saving: Saving, done: Callable[[], int]) -> None:
        self.telling, self.looking, self.saving, self.done = telling, looking, saving, done
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._began

    def tell(self, reason: str) -> events.Finished:
        """The start ends as it should: "done", "no-improvement" or "interrupted"."""
        finished = self._finished(reason)
        self.telling.write("end", self.done(), reason=reason, seconds=finished.seconds)
        self.telling.tell("run_finished", finished=finished)
        return finished

    @contextmanager
    def early(self) -> Iterator[None]:
        """Write down why a start ends before its end, as far as that can be written."""
        try:
            yield
        except KeyboardInterrupt:
            self._written("interrupted", "left at once")
            raise
        except Exception as error:
            told = lost(error) or self._short(error) or error
            self._written("failed", in_a_line(told))
            with suppress(Exception):  # the failure is what is told of, whatever fails while it is
                self.telling.tell("run_finished", finished=self._finished("failed"))
            if told is error:
                raise
            raise told from error

    def _short(self, error: Exception) -> RunError | None:
        training = self.looking.training
        return short_of_memory(
            error, training.recipe, self.telling.folder.path, device_name(training.device), self.done()
        )

    def _written(self, reason: str, message: str) -> None:
        with suppress(RunError):
            self.telling.write("end", self.done(), reason=reason, message=message, seconds=self.seconds)

    def _finished(self, reason: str) -> events.Finished:
        step = self.done()
        measured = self.looking.measured
        if measured is not None and measured.step != step:
            measured = None
        return events.Finished(
            step=step,
            reason=reason,
            metrics=measured.metrics if measured is not None else {},
            about=measured.about if measured is not None else {},
            pictures=measured.pictures if measured is not None else {},
            grid=self.looking.grid(step),
            best=self.saving.best,
            warnings=tuple(self.telling.warnings),
            skipped=self.telling.skipped,
            retried=self.telling.retried,
            waited=self.telling.waited,
            seconds=self.seconds,
        )
