"""Starts one command in several processes that train together, and ends them together.

The processes find each other at a file, or through the variables that `torchrun` sets, so that `torchrun -m toonforge
run …` works as well. Each is a session of its own: what a terminal or a scheduler sends to the group comes here, and
from here to each process once. Where one of them fails or is killed the others cannot go on: they are ended, and the
one error that tells the cause is raised here. Torch is not imported here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import click

from toonforge.cli import leaving
from toonforge.cli.again import again
from toonforge.cli.going_on import NOTHING_LOST, GoingOn
from toonforge.cli.passing_on import known, passing_on, pipe
from toonforge.cli.temporary import temporary
from toonforge.cli.worker import OUTPUT, REPORT, Report, read_end, read_report
from toonforge.errors import Problem, RunError
from toonforge.train.meeting import STORE

STOPPED = (130, -signal.SIGINT, -signal.SIGTERM)
"""How a process ends that was asked to stop: by itself, or by the signal where it was not training yet."""
GRACE = 3.0
"""Seconds that the other processes have to notice that one has failed; and all, to leave at a second request."""
SHOW_CURSOR = "\x1b[?25h"
"""What a terminal is told when its live display was killed, which hides the cursor."""
SAID = 10.0
"""Seconds after a request when it is said that it is still being followed."""
ALONE = 30.0
"""Seconds that the others have to follow one that was asked to stop: they do so at once, or were not asked."""


def environment(rank: int, count: int, port: int) -> Mapping[str, str]:
    """What a process must know to find the others."""
    threads = str(max(1, (os.cpu_count() or 1) // count))
    return {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


@attrs.frozen
class Worker:
    """One of the processes.

    Attributes:
        rank: its number, from 0.
        process: it.
        output: what it said, or of the first what libraries said past Python.
        report: how it failed, where it got to say so.
    """

    rank: int
    process: subprocess.Popen[bytes]
    output: Path
    report: Path

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.process.poll()

    def told(self) -> Report | None:
        """How it failed, in its own words."""
        return read_report(self.report)

    def send(self, number: int) -> None:
        """Send it a signal, if it runs."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once, with the processes that load its pictures."""
        if self.code is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL) if os.name == "posix" else self.process.kill()


def launch(count: int, arguments: Sequence[str], folder: Path | None = None, in_sweep: bool = False) -> int:
    """Run `toonforge ARGUMENTS` in `count` processes.

    Only the first process writes to the terminal.

    Args:
        folder: of the run, to say how it goes on.
        in_sweep: whether it is one run of a sweep.

    Returns:
        0, 130 where they were asked to stop, or 1 where one met a fault of ours, which is shown.

    Raises:
        RunError: one of them was killed, or failed by a mistake that the user can mend; or there is no room for
            temporary files.
    """
    with temporary("processes") as place, pipe() as ends:
        workers: list[Worker] = []
        try:

            def send(number: int) -> None:
                for worker in workers:
                    worker.send(number)

            with passing_on(send) as requests:
                port = free_port()
                for rank in range(count):
                    workers.append(_start(rank, count, port, arguments, place, ends))
                    if requests:
                        workers[rank].send(signal.SIGTERM)
                failed = _wait(workers, requests)
                leaving.ends(None)  # to say why takes a moment
        finally:
            for worker in workers:
                worker.kill()
                worker.process.wait()
        failed = failed if requests else _asked_alone(workers, failed) or failed
        if (workers[0].code or 0) < 0 and sys.stderr.isatty():
            click.echo(SHOW_CURSOR, err=True)
        going_on = None if folder is None else GoingOn(folder, in_sweep)
        if failed:
            return _tell(failed, count, going_on)
        code = read_end(workers[0].report)
        if code is not None or not any(worker.code for worker in workers):
            return code or 0
        left = "left at once" if going_on is None else going_on.left()
        click.echo(left if len(requests) > 1 else NOTHING_LOST, err=True)
        return 130


def _start(rank: int, count: int, port: int, arguments: Sequence[str], place: Path, ends: tuple[int, ...]) -> Worker:
    output, report = place / f"{rank}.txt", place / f"{rank}.json"
    env = {**environment(rank, count, port), REPORT: str(report), STORE: str(place / "meeting")}
    env |= known(ends)
    env |= {OUTPUT: str(output)} if rank == 0 else {}
    with output.open("wb") as file:
        stream = None if rank == 0 else file
        process = subprocess.Popen(
            [*again(), *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            pass_fds=ends,
            start_new_session=True,
        )
    return Worker(rank, process, output, report)


def _wait(workers: Sequence[Worker], requests: Sequence[float]) -> list[Worker]:
    """Wait for all, and end them when they cannot go on; returns those that failed by themselves, in that order."""
    failed: list[Worker] = []
    deadline, said = float("inf"), False

    def look() -> bool:
        failed.extend(worker for worker in workers if worker not in failed and worker.code not in (None, 0, *STOPPED))
        return any(worker.code is None for worker in workers)

    while look():
        now = time.monotonic()
        if failed:
            deadline = min(deadline, now + GRACE)
        if len(requests) > 1:
            deadline = min(deadline, requests[1] + GRACE)
        if any(worker.code in STOPPED for worker in workers):
            deadline = min(deadline, now + ALONE)
        if now > deadline:
            break
        if not said and requests and now > requests[0] + SAID:
            said = True
            click.echo("waiting for the processes to save and stop (Ctrl-C again to leave at once)", err=True)
        time.sleep(0.05)
    return failed


def _asked_alone(workers: Sequence[Worker], failed: Sequence[Worker]) -> list[Worker]:
    """Those that stopped where the others could not follow, since they were not training yet, or hung: the others were
    ended, or have lost them."""
    asked = [worker for worker in workers if worker.code in STOPPED]
    others = [worker for worker in workers if worker.code not in (0, *STOPPED)]
    return asked if others and all(_rank_as_cause(worker) > 1 for worker in failed) else []


# -- what is said of it -----------------------------------------------------------------------------------------------


def _tell(failed: Sequence[Worker], count: int, going_on: GoingOn | None) -> int:
    """Say why the processes ended; see `launch`."""
    cause = min(failed, key=_rank_as_cause)
    name = f"process {cause.rank + 1} of {count}"
    report = cause.told()
    if report is None:
        raise RunError(_ended(name, cause, "start it again" if going_on is None else going_on.words()))
    if report.problems:
        raise RunError(*report.problems)
    click.echo(f"{name}:\n{report.fault}", err=True)
    return 1


def _rank_as_cause(worker: Worker) -> int:
    """How little a process can have failed for another's sake: one that is killed says nothing, one that lost the
    others says so, or is ended by a library that did not expect it."""
    report = worker.told()
    if report is None:
        return 2 if worker.code == -signal.SIGABRT else 0
    return 3 if report.lost else 1


def _ended(name: str, worker: Worker, go_on: str) -> Problem:
    code = worker.code or 0
    last = worker.output.read_text("utf-8", "replace").strip().split("\n")[-1] or None
    if code == -signal.SIGKILL:
        return Problem(
            message=f"{name} was killed (signal 9), so the others were ended",
            hint=f"often for want of memory: see the system's log; {go_on}",
        )
    if code < 0:
        how = f"was ended by signal {-code} ({_named(-code)})"
    else:
        how = "alone was asked to stop" if code in STOPPED else f"ended with code {code}"
    return Problem(message=f"{name} {how}, so the others were ended", found=last, hint=go_on)


def _named(number: int) -> str:
    return signal.Signals(number).name if number in {int(one) for one in signal.Signals} else "unknown"


def free_port() -> int:
    """A TCP port of this machine that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
