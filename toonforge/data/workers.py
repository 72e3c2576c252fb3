"""Processes that load batches in the background: how they begin and end, and what is said when one is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from torch.utils.data import DataLoader

from toonforge.errors import Problem, RunError

GRACE = 2.0
"""Seconds in which workers may end by themselves; one that hangs in a read is killed then."""

DYING = 2.0
"""Seconds between the end of a worker's connections and its own, at most: the system ends them one by one."""


class Workers:
    """The batches of a `DataLoader` with workers, in order. Leave it with `close`, whatever happened.

    Torch raises in the middle of whatever the training does when a worker dies, such as a checkpoint being written.
    Here it is found out where its batch is missing: between two steps.

    Args:
        loader: begun at once.
        reading: what the worker of a number is reading now, in words, or None.
        resume: the command that goes on with the run.

    Raises:
        RunError: the system starts no further processes.
    """

    def __init__(self, loader: DataLoader[Any], reading: Callable[[int], str | None], resume: str) -> None:
        self._reading, self._resume, self._owner = reading, resume, os.getpid()
        before = {*multiprocessing.active_children()}
        with _deaths_found_by_us():
            try:
                self._batches = iter(loader)
            except OSError as error:
                raise RunError(_not_started(error, loader.num_workers, resume)) from error
        begun = [child for child in multiprocessing.active_children() if child not in before]
        self.processes = sorted(begun, key=lambda child: getattr(child, "_identity", ()))  # as they were begun

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except Exception as error:
            number = self._gone(DYING if isinstance(error, EOFError | ConnectionError) else 0.0)
            if number is not None:
                process = self.processes[number]
                raise RunError(died(process, len(self.processes), self._reading(number), self._resume)) from error
            if "Too many open files" in str(error):
                raise RunError(_too_many_files(error, self._resume)) from error
            raise

    def _gone(self, seconds: float) -> int | None:
        """Which worker has died, or does so within the time."""
        end = time.monotonic() + seconds
        while True:
            for number, process in enumerate(self.processes):
                if process.exitcode:
                    return number
            if time.monotonic() >= end:
                return None
            time.sleep(0.01)

    def close(self) -> None:
        """End the workers, also those that hang."""
        if os.getpid() != self._owner:  # a copy in a process that was forked off later
            return
        late = threading.Timer(GRACE, self._kill)
        late.daemon = True
        late.start()
        try:
            # Not left to the garbage collection: a traceback may hold on to it.
            end = getattr(self._batches, "_shutdown_workers", None)
            if end is not None:
                end()
        finally:
            late.cancel()
            self._kill()

    def _kill(self) -> None:
        for process in self.processes:
            if process.is_alive():
                process.kill()


@contextmanager
def _deaths_found_by_us() -> Iterator[None]:
    """Undo torch's handler of the signal that a child has died."""
    number = getattr(signal, "SIGCHLD", None)  # not on Windows
    if number is None or threading.current_thread() is not threading.main_thread():
        yield  # torch sets none there either
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if signal.getsignal(number) != before:
            signal.signal(number, before or signal.SIG_DFL)


def begin_worker(worker: int) -> None:
    """Leave with the training process, however that ends, and not before it decides so.

    Signals to the whole group reach the workers too. Torch's own watch is not enough: it takes whichever process is the
    parent once the worker gets there for the training, so that a worker whose training was killed earlier stays for
    ever; and it looks only between two batches.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if (owner := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_leave_with, args=(owner,), name="toonforge-owner", daemon=True).start()


def _leave_with(owner: Any) -> None:
    owner.join()  # waits for the end of a pipe that the owner holds, and no other but later workers, which leave so too
    os._exit(1)


def died(process: BaseProcess, workers: int, reading: str | None, resume: str) -> Problem:
    """That a worker is gone: how, and what usually helps.

    Args:
        process: has an exit code.
        workers: how many there were.
        reading: what it was reading.
        resume: the command that goes on with the run.
    """
    code = process.exitcode or 0
    how = f"was killed ({_signal(-code)})" if code < 0 else f"ended with exit code {code}"
    at = f" while it read {reading}" if reading is not None else ""
    fewer = f"{resume} --set train.workers={workers // 2}"
    helps = {
        "SIGKILL": f"the system does so where memory runs short: give it more, or go on with fewer workers: {fewer}",
        "SIGBUS": "shared memory (/dev/shm) is full, or the file was cut short as it was read: give it a larger "
        f"/dev/shm (docker run --shm-size), or go on with fewer workers: {fewer}",
    }
    crashed = f"a library crashed, perhaps over this picture: look at it, or leave it out; then go on with: {resume}"
    return Problem(
        message=f"a process that loads pictures {how}{at}",
        key="train.workers",
        found=f"process {process.pid}, one of {workers}" if workers > 1 else f"process {process.pid}",
        hint=helps.get(_name(-code), crashed),
    )


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _signal(number: int) -> str:
    return ", ".join(filter(None, (f"signal {number}", _name(number))))


def _not_started(error: OSError, workers: int, resume: str) -> Problem:
    return Problem(
        message=f"the {workers} processes that load pictures cannot be started",
        key="train.workers",
        found=error.strerror or str(error),
        hint=f"go on with fewer: {resume} --set train.workers={workers // 2}",
    )


def _too_many_files(error: Exception, resume: str) -> Problem:
    return Problem(
        message="too many files are open to go on loading pictures in the background",
        key="train.workers",
        found=str(error).splitlines()[0],
        hint=f"allow more with `ulimit -n 65536` and go on with: {resume}; or load without further processes: {resume} "
        "--set train.workers=0",
    )
