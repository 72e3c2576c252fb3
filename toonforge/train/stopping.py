"""Stopping a training from outside: what a signal asks for, and how all processes stop after the same step.

What is waited for is never in the way: batches are read by a thread of their own, so a stop during a read that does
not come back (a stalled file system, workers that are starting) is a stop between two steps like any other.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from types import FrameType
from typing import TypeVar

import torch
from torch.distributed import ProcessGroup, Work

from toonforge.train.insisting import MOMENT, heeded, insisting
from toonforge.train.process import in_group
from toonforge.train.reader import Reader
from toonforge.train.telling import News

LOOKS = 1e-4
"""Seconds between two looks at a message that other processes have not answered yet."""

T = TypeVar("T")


class Stopped(Exception):
    """A stop was asked for where nothing has changed since the last step."""


class Stopping:
    """The first Ctrl-C, SIGTERM or SIGHUP asks the run to save and stop; the second one leaves at once.

    One request may come as several signals: from the terminal or the process group, once more from the process that
    started this one, and `timeout` sends two by itself. So the handler stays for a moment, in which further signals
    arrive at once (after it, a long computation might hold them up) and count as the same request.

    With several processes each asks all others before every step, in a small message between processors that no
    device is waited for. So all leave after the same step, also where one of them has nothing to train on yet. What
    they have to tell each other of a batch goes the same way, at steps where there is something to tell.

    Args:
        tell: says that the run will stop. Where that cannot be written, the run stops all the same.
        patience: how long processes wait for each other.

    Attributes:
        asked: whether this process was asked.
        over: whether there is nothing left to stop: set when the run is at its end, and only that is to be told. From
            then on signals are not heeded.
    """

    def __init__(self, tell: Callable[[], None], patience: timedelta = timedelta(hours=12)) -> None:
        self.asked, self.over, self._tell, self._staying = False, False, tell, False
        self._process, self._wake = os.getpid(), _nobody
        self._group: ProcessGroup | None = None
        if in_group() and torch.distributed.get_world_size() > 1:
            self._group = torch.distributed.new_group(backend="gloo", timeout=patience)

    # -- signals ----------------------------------------------------------------------------------------------------

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals; outside the main thread, where that is impossible, leave them alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = heeded()
        before = {number: signal.signal(number, self._ask) for number in numbers}
        try:
            with insisting(numbers, MOMENT):
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._staying or self.over or os.getpid() != self._process:  # a loader's process that was forked just now
            return
        again, self.asked, self._staying = self.asked, True, True
        try:
            if not again:
                # Its reader may be gone, and this handler may have come in the middle of another write.
                with suppress(OSError, RuntimeError, ValueError):
                    self._tell()
            time.sleep(MOMENT)
        finally:
            self._staying = False
        if again:
            raise KeyboardInterrupt
        self._wake()

    # -- where a run asks -------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `Stopped` if this process was asked: for between the batches of what changes nothing."""
        if self.asked:
            raise Stopped

    def agreed(self) -> bool:
        """Whether all processes stop after this step. Of several, `waiting` tells it, before the next step."""
        return self.asked and self._group is None

    def waiting(
        self,
        batches: Iterable[T],
        slow: Callable[[float], None] | None = None,
        news: Callable[[T], Sequence[News]] | None = None,
        hear: Callable[[Sequence[News]], None] | None = None,
        ahead: int = 0,
        timed: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Generator[T, None, None]:
        """The batches as they come; every process must ask for as many as the others.

        Args:
            batches: read in a thread of their own, each when it is asked for and not before, but for `ahead`. What they
                start to read with (processes of a loader) ends with this iteration, however that ends.
            slow: told the seconds that a batch has been waited for, now and then where that takes long.
            news: what this process has to tell the others of a batch: plain values, mostly none.
            hear: told the news of each process, its own too, before the batch that they are of.
            ahead: how many batches are read before they are asked for; see `Reader`.
            timed: what a batch is waited for in: to know how long that takes.

        Raises:
            Stopped: on every process at once, before the next batch, once one of them was asked to stop; where
                there is one process, while it waits.
        """
        with Reader(batches, ahead) as reader:
            self._wake = reader.wake
            try:
                while True:
                    with timed():
                        batch = reader.next(lambda: self.asked, slow)
                    # Who was asked to stop may have no batch in hand, and has none of what others hear.
                    here = batch is not reader.END and not self.asked
                    told = news(batch) if news is not None and here else ()  # type: ignore[arg-type]
                    if self._anyone(told, hear):  # also before the end: all ask equally often
                        raise Stopped
                    if batch is reader.END:
                        return
                    yield batch  # type: ignore[misc]
                    del batch
            finally:
                self._wake = _nobody

    def _anyone(self, news: Sequence[News], hear: Callable[[Sequence[News]], None] | None) -> bool:
        """Whether any process was asked; each of them asks this before each step. If none was, news are heard."""
        if self._group is None:
            return self.asked
        flags = torch.tensor([float(self.asked), float(len(news))])
        work = torch.distributed.all_reduce(flags, group=self._group, async_op=True)
        assert isinstance(work, Work)
        # Not `wait`: no signal would be heeded until the slowest process answers.
        while not work.is_completed():
            time.sleep(LOOKS)
        work.wait()  # raises what went wrong
        asked, told = (bool(flag > 0) for flag in flags)
        if told and not asked and hear is not None:
            all_news: list[Sequence[News]] = [()] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(all_news, news, group=self._group)
            for each in all_news:
                hear(each)
        return asked


def _nobody() -> None:
    """Nobody waits."""
