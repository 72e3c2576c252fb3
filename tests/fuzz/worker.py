"""A forked process in which examples are judged one after the other, so that a crash or a hang is a finding too."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

SECONDS = 60.0
"""An example may take so long; on a loaded machine thousands pass in that time."""
MEGABYTES = 256
"""By so much may an example raise the memory of the process."""
HARD_MEGABYTES = 4096
"""The system refuses the process more than that beyond what it began with."""

Judge = Callable[[Any], str]


class Found(AssertionError):
    """What fuzzing is for: an exception that is no clean error, a crash, a hang, or too much memory."""


class Worker:
    """Judges examples in a forked process, and starts another when one died. Used as a context.

    Args:
        judge: called with an example in the forked process; says in a word what became of it, or raises.
        megabytes: by how much an example may raise the memory of the process.
        seconds: how long an example may take.
    """

    def __init__(self, judge: Judge, megabytes: int = MEGABYTES, seconds: float = SECONDS) -> None:
        self.judge, self.megabytes, self.seconds = judge, megabytes, seconds
        self.last_words = tempfile.NamedTemporaryFile("w+", prefix="toonforge-fuzz-")  # noqa: SIM115
        self.process: Any = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._end()
        self.last_words.close()

    def __call__(self, example: Any) -> str:
        """What became of the example; raises `Found`."""
        if self.process is None:
            self._begin()
        try:
            self.pipe.send(example)
            # The process ends itself when the time is over; this is for one that no longer can.
            if not self.pipe.poll(2 * self.seconds):
                self.process.kill()
            outcome, error, grown = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self.last_words.seek(0)
            words = self.last_words.read()
            self._end()
            raise Found(f"the process died of it: {how}\n{words}") from None
        if error:
            raise Found(error)
        if grown > self.megabytes:
            raise Found(f"it took {grown:,} MB, of at most {self.megabytes:,}")
        return str(outcome)

    def _begin(self) -> None:
        self.last_words.seek(0)
        self.last_words.truncate()
        gc.freeze()
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=self._serve, args=(theirs,), daemon=False)
        self.process.start()
        theirs.close()

    def _end(self) -> None:
        if self.process is None:
            return
        self.pipe.close()
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process = None

    def _serve(self, pipe: Connection) -> None:
        self.pipe.close()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        most = memory()["VmSize"] + HARD_MEGABYTES
        resource.setrlimit(resource.RLIMIT_AS, (most * 2**20, most * 2**20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.enable(self.last_words)
        if "torch" in sys.modules:
            # The threads that the parent may have begun were not forked: waiting for them would be for ever.
            sys.modules["torch"].set_num_threads(1)
        while True:
            try:
                example = pipe.recv()
            except (EOFError, OSError):
                os._exit(0)
            outcome, error = "", ""
            forget_peak()
            before = memory()["VmRSS"]
            faulthandler.dump_traceback_later(self.seconds, exit=True, file=self.last_words)
            try:
                outcome = self.judge(example)
            except BaseException:
                error = traceback.format_exc()
            faulthandler.cancel_dump_traceback_later()
            pipe.send((outcome, error, memory()["VmHWM"] - before))


def memory() -> dict[str, int]:
    """VmSize, VmRSS and VmHWM (the highest VmRSS) of this process, in MB."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return {name: int(value) // 1024 for name, value in re.findall(r"(Vm\w+):\s+(\d+) kB", file.read())}


def forget_peak() -> None:
    """Begin VmHWM anew, where the system lets us: otherwise the highest of all examples counts against each."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")
