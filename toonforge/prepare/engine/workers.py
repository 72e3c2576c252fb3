"""Worker processes: each works on one file at a time, so that one which dies takes a single file with it.

They are spawned, since a fork copies locks that rich's threads hold. The processes of `concurrent.futures` would not
do: they outlive a parent that is killed, cannot be ended, and do not tell which file one of them died of.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.attempt import Found, attempt
from toonforge.prepare.engine.stop import Stop
from toonforge.prepare.engine.task import FAILED, Outcome, Source, Task

GRACE = 1.0
"""Seconds that files in work get to be done when a stop is asked for."""

_TICK = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_READY = "ready"


class _Worker:
    """One process, and the file it has in work."""

    def __init__(self, task: bytes, out: Path) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, task, out), daemon=True)
        with _deaf():
            self.process.start()
        theirs.close()
        self.ready, self.source = False, _NOTHING

    def give(self, source: Source) -> None:
        self.source = source
        with suppress(OSError):  # it has died meanwhile, and is found to have when it is next listened to
            self.connection.send(source)

    def end(self) -> str:
        """End it now; how it ended by itself, in words."""
        self.process.join(_TICK)
        self.process.kill()
        self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        return f"signal {signal.Signals(-code).name}" if -code in {*signal.Signals} else f"exit code {code}"


_NOTHING = Source("", Path())


def work_in_processes(
    task: Task, sources: Sequence[Source], out: Path, count: int, stop: Stop
) -> Generator[tuple[Source, Found], None, None]:
    """What came of each source, in the order in which they are done, until all are or a stop is asked for.

    A process that dies leaves its file as "failed", and another takes its place.

    Raises:
        DataError: the processes die before they work on anything, or one after the other.
    """
    left = deque(sources)
    packed = pickle.dumps(task)
    workers: dict[Connection, _Worker] = {}
    deadline, died = float("inf"), 0
    try:
        while True:
            if stop.asked:
                left.clear()
                deadline = min(deadline, time.monotonic() + GRACE)
            busy = sum(worker.source is not _NOTHING for worker in workers.values())
            if (not left and not busy) or time.monotonic() > deadline:
                return
            starting = sum(not worker.ready for worker in workers.values())
            if len(workers) < count and starting < len(left):
                worker = _Worker(packed, out)
                workers[worker.connection] = worker
            # While more are to be started, only what is there already is looked at.
            for connection in wait(list(workers), 0 if len(workers) < min(count, len(left)) else _TICK):
                assert isinstance(connection, Connection)
                worker = workers[connection]
                try:
                    told = connection.recv()
                except (EOFError, OSError):
                    del workers[connection]
                    how = worker.end()
                    died += 1
                    if not worker.ready or died > 2 * count + 4:
                        raise _keep_dying(worker.ready, how) from None
                    if worker.source is not _NOTHING:
                        reason = f"the process that worked on it died ({how}); try again with fewer workers"
                        yield worker.source, (Outcome(action=FAILED, reason=reason),)
                    continue
                if told == _READY:
                    worker.ready = True
                else:
                    source, worker.source, died = worker.source, _NOTHING, 0
                    if left:
                        worker.give(left.popleft())
                    yield source, told
                    continue
                if left:
                    worker.give(left.popleft())
    finally:
        for worker in workers.values():
            worker.process.kill()
        for worker in workers.values():
            worker.end()


def _keep_dying(ready: bool, how: str) -> DataError:
    hint = "with less at once, more fits into memory: --workers 1" if ready else None
    return DataError(
        Problem(
            message="the worker processes die" if ready else "a worker process died before it had begun",
            found=how,
            hint=hint or "a script that calls this needs `if __name__ == '__main__':` around its work",
        )
    )


class _deaf:
    """Inside, processes are started that never get Ctrl-C or SIGTERM, not even while they start: the parent decides.

    The mask of signals is inherited. What arrives here meanwhile is delivered on leaving.
    """

    def __enter__(self) -> None:
        resource_tracker.ensure_running()  # it unblocks the signals when it starts
        self._before = (
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS) if hasattr(signal, "pthread_sigmask") else None
        )

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


def _serve(connection: Connection, packed: bytes, out: Path) -> None:
    """What a worker does: a source comes in, what came of it goes out, until the other end is closed."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read when NumPy and OpenCV are imported
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    task: Task = pickle.loads(packed)
    connection.send(_READY)
    while True:
        try:
            source = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(attempt(task, source, out))


def _leave_with_parent() -> None:
    """A parent that is killed ends nobody: without this, a worker would write on beside the next call's."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def processors() -> int:
    """How many processes can work at once: the processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


__all__ = ["GRACE", "processors", "work_in_processes"]
