"""Output that outlives its reader: a training goes on where `tee` or a terminal has gone."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast


class Lasting:
    """A text stream that goes silent at the first write the system refuses, in place of raising OSError.

    Its descriptor then leads to the null device, so that what wrote past this object, what is still buffered, and
    Python's own flush at its exit (which would turn the exit code into 120) are quiet too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._silent = stream, False

    def write(self, text: str) -> int:
        """As of any text stream; also when nobody reads."""
        if not self._silent:
            try:
                return self._stream.write(text)
            except OSError:
                self._silence()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As of any text stream."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """As of any text stream; also when nobody reads."""
        if not self._silent:
            try:
                self._stream.flush()
            except OSError:
                self._silence()

    def _silence(self) -> None:
        self._silent = True
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        except (OSError, ValueError):  # a stream without a descriptor: nothing of it is flushed at the exit
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting() -> Iterator[None]:
    """Make stdout and stderr outlive their readers: for everyone who writes there, rich's live display included."""
    before = sys.stdout, sys.stderr
    ours = [Lasting(stream or io.StringIO()) for stream in before]  # none: closed when Python began (`2>&-`)
    sys.stdout, sys.stderr = (cast(TextIO, stream) for stream in ours)
    try:
        yield
    finally:
        for stream in ours:
            stream.flush()
        sys.stdout, sys.stderr = before
