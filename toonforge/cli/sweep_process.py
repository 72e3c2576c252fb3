"""Each run of a sweep in a process of its own.

So a run's peak memory is its own, what a GPU held is given back whole, and a run that the system kills (out of memory)
costs no other. The price, importing torch once a run, is some seconds. Ctrl-C is passed on to the run's process: it
saves and leaves with code 130, and the sweep, which only waits meanwhile, stops. Where the sweep is killed the run
saves and leaves as well.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click

from toonforge.cli.again import again
from toonforge.cli.passing_on import known, passing_on, pipe
from toonforge.cli.processes import STOPPED
from toonforge.cli.temporary import temporary
from toonforge.sweeps.plan import PlannedRun
from toonforge.sweeps.work import Outcome


class Processes:
    """Trains runs in processes of their own, each under a header.

    Args:
        count: how many runs the sweep has.
        options: of the whole command line, before the verb.
        cpu: stay on the CPU.
    """

    def __init__(self, count: int, options: Sequence[str], cpu: bool) -> None:
        self.count, self.options, self.cpu = count, options, cpu

    def skip(self, run: PlannedRun, number: int) -> None:
        """Say that it is finished."""
        self._head(run, number, ": finished already", above="")

    def train(self, run: PlannedRun, number: int, folder: Path, resume: bool, lock: int | None) -> Outcome:
        """Start the process, wait for it, and read what it says of its end."""
        self._head(run, number)
        with temporary("sweep") as place:
            report = place / "problem.json"
            words = [run.source, "--out", str(folder), "--one", str(report)]
            words += [word for override in run.overrides for word in ("--set", override)]
            words += [*(["--resume"] if resume else []), *(["--cpu"] if self.cpu else [])]
            code, asked = start([*self.options, "sweep", *words], lock)
            problem = _told(report)
        return outcome(code, problem, asked)

    def _head(self, run: PlannedRun, number: int, more: str = "", above: str = "\n") -> None:
        place = click.style(f"{number} of {self.count}", fg="cyan", bold=True)
        click.echo(f"{above}{place}: {click.style(run.name, bold=True)}{more}", err=True)


def _told(report: Path) -> str | None:
    """What a run's process said of its end; None where it said nothing, or had no room for it."""
    try:
        return str(json.loads(report.read_text("utf-8")))
    except (OSError, ValueError):
        return None


def outcome(code: int, problem: str | None, asked: bool = False) -> Outcome:
    """What an exit code and a report mean. `asked`: whether someone wanted to stop, also if the run came to its end."""
    if code in (0, 130) or (asked and code in STOPPED):
        return Outcome(stopped=asked or code == 130)
    if problem is None and code < 0:
        name = signal.Signals(-code).name if -code in {int(one) for one in signal.Signals} else str(-code)
        problem = f"its process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return Outcome(stopped=asked, problem=problem or f"its process ended with code {code}", ours=code != 2)


def start(arguments: Sequence[str], lock: int | None) -> tuple[int, bool]:
    """Run `toonforge ARGUMENTS`, which inherits the lock.

    Returns:
        Its exit code, negative for a signal; and whether this process was asked to stop meanwhile.
    """
    started: list[subprocess.Popen[bytes]] = []

    def send(number: int) -> None:
        for process in started:
            process.send_signal(number)

    with pipe() as ends, passing_on(send) as requests:
        process = subprocess.Popen(
            [*again(), *arguments],
            env={**os.environ, **known(ends)},
            pass_fds=(*ends, *(() if lock is None else (lock,))),
            start_new_session=True,
        )
        started.append(process)
        if requests:
            process.send_signal(signal.SIGTERM)
        return process.wait(), bool(requests)
