"""A process that was started as one of several: what it owes to the one that started it (`toonforge.cli.processes`).

Its errors go into a file, from which the launcher picks the one that tells the cause: the others only lost their
connection. What libraries write past Python, mostly about such connections, goes to the file of its output. And it asks
itself to stop when the launcher is gone. Torch is not imported here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import attrs

from toonforge.errors import Location, LostProcess, Problem, ToonforgeError

REPORT, OUTPUT, LAUNCHER = "TOONFORGE_REPORT", "TOONFORGE_OUTPUT", "TOONFORGE_LAUNCHER"
"""Variables of a started process: the file for its error, the file for what goes past Python, and a pipe's end that is
closed with the launcher."""

ALONE = 10.0
"""Seconds after which a process's mistake is its own."""

_report: Path | None = None


@attrs.frozen(kw_only=True)
class Report:
    """How a process failed.

    Attributes:
        problems: the mistake, if it is one that the user can mend.
        fault: a fault of ours, in the lines to show.
        lost: whether another process was the cause.
    """

    problems: tuple[Problem, ...] = ()
    fault: str = ""
    lost: bool = False


def is_worker() -> bool:
    """Whether this process was started as one of several."""
    return "WORLD_SIZE" in os.environ


def by_torchrun() -> bool:
    """Whether it is one of several that not this program has started: `torchrun`, or what stands on it."""
    return is_worker() and _report is None


def speaks() -> bool:
    """Whether it says itself how it was left: of several the first, where there is no launcher to do so."""
    return _report is None and os.environ.get("RANK", "0") == "0"


@contextmanager
def said_once(but: type[ToonforgeError] | tuple[type[ToonforgeError], ...] = ()) -> Iterator[None]:
    """Within it, a mistake that all processes of torchrun make alike is left to the first one of each machine to say.

    When that one leaves, torchrun ends the others, which wait for it here; whoever is not ended had it alone.

    Args:
        but: errors that are of one process, and said at once.
    """
    try:
        yield
    except but:
        raise
    except ToonforgeError:
        if by_torchrun() and os.environ.get("LOCAL_RANK", "0") != "0":
            time.sleep(ALONE)
        raise


def note_end(code: int) -> None:
    """Let the launcher know that the training came to its end and has told of it, should the exit code not arrive."""
    if _report is not None:
        with suppress(OSError):
            _end_of(_report).write_text(str(code), "utf-8")


def read_end(report: Path) -> int | None:
    """The exit code that a process noted, from where its report would be; None where it did not come to its end."""
    try:
        return int(_end_of(report).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _end_of(report: Path) -> Path:
    return report.with_suffix(".end")


def begin() -> None:
    """Act on what the launcher said, if there is one; processes that are started from here do not hear of it."""
    global _report
    said = {name: os.environ.pop(name, None) for name in (REPORT, OUTPUT, LAUNCHER)}
    if (report := said[REPORT]) is not None:
        _report = Path(report)
    if (output := said[OUTPUT]) is not None:
        _divert(output)
    if (pipe := said[LAUNCHER]) is not None:
        threading.Thread(target=_outlive, args=(int(pipe),), name="toonforge-launcher", daemon=True).start()


def _divert(output: str) -> None:
    """Lead descriptor 2 to a file, and let `sys.stderr` write where that led before."""
    try:
        file = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        return
    own = os.dup(2)
    os.dup2(file, 2)
    os.close(file)
    stream: TextIO = os.fdopen(own, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    sys.stderr = stream


def _outlive(pipe: int) -> None:
    """Wait for the end of the launcher, however it ends, then ask this process to save and stop."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def hand_over(error: ToonforgeError | str) -> bool:
    """Leave an error to the launcher; false where there is none, or no room for it, so that it is to be shown here."""
    if _report is None:
        return False
    told: dict[str, Any] = (
        {"fault": error} if isinstance(error, str) else {"problems": list(map(attrs.asdict, error.problems))}
    )
    try:
        _report.write_text(json.dumps({**told, "lost": isinstance(error, LostProcess)}), "utf-8")
    except OSError:
        return False
    return True


def read_report(path: Path) -> Report | None:
    """What a process left there; None where it did not get to write it."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return Report(
        problems=tuple(map(_problem, told.get("problems", ()))), fault=told.get("fault", ""), lost=told["lost"]
    )


def _problem(told: Mapping[str, Any]) -> Problem:
    where = told["where"]
    return Problem(**{**told, "where": None if where is None else Location(**where)})
