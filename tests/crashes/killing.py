"""Starts a training in processes that are forked off this one, and kills them: at an instant, or at an operation."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs

from tests.crashes.disk import Disk
from tests.crashes.doing import Page
from tests.crashes.power import Durable

PATIENCE = 240.0
"""Seconds after which a process that neither ends nor is killed has hung."""
LEFT_ALONE = 30.0
"""Seconds that a process may go on after another of its group was killed, before it is ended too."""


@attrs.frozen
class Anytime:
    """So many seconds after the start."""

    seconds: float


@attrs.frozen
class Within:
    """So many seconds after something was begun for the n-th time, counted from 1."""

    activity: str
    number: int
    seconds: float


@attrs.frozen
class At:
    """Before the n-th operation on the disk, counted from 1, or half-way in it."""

    operation: int
    torn: bool = False


Kill = Anytime | Within | At


@attrs.frozen(kw_only=True)
class Start:
    """What is started.

    Attributes:
        work: done in the process; ends it.
        root: the folder that it changes.
        output: gets what it says.
        power: where copies are kept of what is sure to be on the disk, for a power cut.
        environment: further variables.
    """

    work: Callable[[], None]
    root: Path
    output: Path
    power: Path | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict)


class Started:
    """A process of a `Start`, under way.

    Args:
        kill: its time; an operation ends it by itself, for the others `wait_and_kill` is called.
    """

    def __init__(self, start: Start, page: Page, kill: Kill | None = None) -> None:
        page.clear()
        self.page = page
        self.code: int | None = None
        self._reads, writes = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writes)
            return
        code = 1
        try:
            os.close(self._reads)
            _apart(start)
            _watch(start, page, kill, writes)
            start.work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def heard(self, seconds: float) -> bool:
        """Wait until the process says that it has begun what it is to be killed at; not where it ends before."""
        ready, _, _ = select.select([self._reads], [], [], seconds)
        return bool(ready) and os.read(self._reads, 1) == b"!"

    def end(self) -> None:
        """Kill it now."""
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; returns how it ended, as `Popen.returncode` says it, and None while it goes on."""
        deadline = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                os.close(self._reads)
            elif time.monotonic() > deadline:
                return None
            else:
                time.sleep(0.003)
        return self.code


def wait_and_kill(group: Sequence[Started], kill: Kill | None, victims: Sequence[int]) -> list[int]:
    """Kill some of a group at their time, unless they end before; returns how each ended.

    Raises:
        TimeoutError: one hung.
    """
    first = group[victims[0]]
    if isinstance(kill, Anytime):
        first.heard(kill.seconds)
    elif isinstance(kill, Within) and first.heard(PATIENCE):
        time.sleep(kill.seconds)
    if isinstance(kill, Anytime | Within):
        for victim in victims:
            group[victim].end()
    patience = PATIENCE
    for one in (first, *group):
        if one.wait(patience) is None:
            hangs = patience == PATIENCE
            for each in group:
                each.end()
                each.wait(PATIENCE)
            if hangs:
                raise TimeoutError(f"a process hangs while it is {one.page.doing}")
        if one.code:
            patience = LEFT_ALONE
    return [code for one in group if (code := one.code) is not None]


def _apart(start: Start) -> None:
    """In the new process: what it says goes to a file, and signals are as for any new process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    descriptor = os.open(start.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    os.environ.update(start.environment)


def _watch(start: Start, page: Page, kill: Kill | None, pipe: int) -> None:
    """In the new process: one thread, no group of processes from before, and everything that is watched is wrapped."""
    import torch
    from accelerate.state import AcceleratorState, GradientState, PartialState

    torch.set_num_threads(1)
    for state in (AcceleratorState, PartialState, GradientState):
        state._reset_state()

    def begun(activity: str, number: int) -> None:
        if isinstance(kill, Within) and (activity, number) == (kill.activity, kill.number):
            os.write(pipe, b"!")

    page.watch(begun)
    Disk(
        start.root,
        page,
        stop=kill.operation if isinstance(kill, At) else None,
        torn=isinstance(kill, At) and kill.torn,
        durable=Durable(start.root, start.power) if start.power is not None else None,
        listing=start.output.with_suffix(".operations") if kill is None else None,
    ).watch()


def preload() -> None:
    """Import here what every start would otherwise import by itself, which takes longer than its training."""
    import jinja2  # noqa: F401
    import torch._dynamo
    import torch.distributed.tensor  # noqa: F401
    from PIL import Image

    import toonforge.report.page
    import toonforge.sweeps.api
    import toonforge.train.trainer  # noqa: F401

    Image.init()
