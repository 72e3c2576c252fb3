"""`toonforge` in processes that are forked from here, so that none imports torch anew, which takes seconds.

From there on they are what a user starts: with streams, signals and an exit code of their own.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import PIPE, STDOUT, TimeoutExpired
from typing import IO, Any

import torch

from tests.crashes.killing import preload
from toonforge.cli import main


class Forked:
    """As much of `subprocess.Popen` as is asked for here and in `toonforge.cli`: in its place, nothing is imported anew.

    Args:
        command: of the command line, its words after "toonforge" are run; or a function that returns an exit code.
        stdout, stderr: a file or its descriptor; `PIPE` (stdout) and `STDOUT` (stderr) too. This process's by default.
        start_new_session: it gets a session and a process group of its own.
        more: what is so at any rate: nothing to read, and all descriptors passed on.
    """

    def __init__(
        self,
        command: Sequence[str] | Callable[[], int],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: Any = 1,
        stderr: Any = 2,
        start_new_session: bool = False,
        **more: Any,
    ) -> None:
        preload()
        self.returncode: int | None = None
        self.stdout: IO[bytes] | None = None
        read, write = os.pipe() if stdout == PIPE else (None, None)
        out = _descriptor(1 if stdout is None else stdout) if write is None else write
        errors = out if stderr == STDOUT else _descriptor(2 if stderr is None else stderr)
        self.pid = os.fork()
        if self.pid == 0:
            if read is not None:
                os.close(read)
            if start_new_session:
                os.setsid()
            _begin(out, errors, cwd, env)
            os._exit(_run(command))
        if read is not None and write is not None:
            os.close(write)
            self.stdout = open(read, "rb")  # noqa: SIM115

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            process, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if process else None
        return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        """Its exit code once it has ended."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _descriptor(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


def _begin(out: int, errors: int, cwd: Path | None, env: Mapping[str, str] | None) -> None:
    """What the system and Python do where a process begins."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
    out, errors = os.dup(out), os.dup(errors)
    for descriptor, to in ((os.open(os.devnull, os.O_RDWR), 0), (out, 1), (errors, 2)):
        os.dup2(descriptor, to)
        os.close(descriptor)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    if cwd is not None:
        os.chdir(cwd)
    torch.set_num_threads(1)


def _run(command: Sequence[str] | Callable[[], int]) -> int:
    try:
        if callable(command):
            code = command()
        else:
            sys.argv[1:] = command[[*command].index("toonforge") + 1 :]
            code = main()  # not `main(words)`: that is a call from Python, which leaves signals to its caller
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
    except OSError:
        return 120  # as Python ends
    return code
