"""A process that trains one variant, asked line by line. Torch is imported there, not here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

import attrs

from toonforge.bench import lines
from toonforge.errors import Problem, RunError

COMMAND = (sys.executable, "-m", "toonforge.bench.worker")
"""What a process is started with, where nobody says otherwise."""


class Fault(Exception):
    """A process met a fault of ours; its traceback is the text."""


class Process:
    """One process. Its first answer is awaited by `ready`, so that several can start at once.

    Args:
        start: what it trains.
        command: see `COMMAND`.
    """

    def __init__(self, start: lines.Start, command: Sequence[str] = COMMAND) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        # In a session of its own: Ctrl-C reaches the one who asks, who ends it.
        self._process = subprocess.Popen(
            [*command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._ready: dict[str, Any] | None = None
        with suppress(BrokenPipeError):  # it has ended: that is told where its answer is awaited
            lines.write(self._input, attrs.asdict(start))

    @property
    def ready(self) -> dict[str, Any]:
        """What it made of its first line.

        Raises:
            RunError: a mistake of the user's, or it was killed.
            Fault: a fault of ours.
        """
        if self._ready is None:
            self._ready = self._answer()
        return self._ready

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """The answer to a question; raises as `ready` does."""
        assert self.ready is not None
        with suppress(BrokenPipeError):
            lines.write(self._input, {"do": do, **more})
        return self._answer()

    def end(self) -> None:
        """End it and whatever it started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL) if os.name == "posix" else self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    @property
    def _input(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer = lines.read(self._process.stdout)
        if answer is None:
            raise RunError(self._ended())
        if "problems" in answer:
            raise RunError(*lines.problems(answer))
        if "fault" in answer:
            raise Fault(answer["fault"])
        return answer

    def _ended(self) -> Problem:
        code = self._process.wait()
        self._said.seek(0)
        last = self._said.read().decode("utf-8", "replace").strip().split("\n")[-1] or None
        if code == -signal.SIGKILL:
            return Problem(
                message="a measuring process was killed (signal 9)",
                hint="often for want of memory: --set train.batch_size=…, or a smaller data.image_size",
            )
        return Problem(message=f"a measuring process ended with code {code}", found=last)
