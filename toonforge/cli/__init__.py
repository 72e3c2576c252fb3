"""The command line. `main` runs one command and turns whatever happens into text and an exit code.

0: done. 2: something the user can mend, with what and how. 1: a fault of ours. 130: stopped with Ctrl-C. 141: the
reader of the output has left; never of `run`, `sweep` and `data`, which go on without one.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` by default) and return its exit code."""
    try:
        return _begin(arguments)
    except KeyboardInterrupt:  # outside of what `_main` looks after
        print("stopped", file=sys.stderr)
        return 130


def _begin(arguments: Sequence[str] | None) -> int:
    from toonforge.cli import again, worker
    from toonforge.cli.group import VERBS
    from toonforge.cli.harmless import obeying_nobody
    from toonforge.cli.output import lasting

    # No `list(…)` here: importing the verb of that name binds it in this module.
    given = [*(sys.argv[1:] if arguments is None else arguments)]
    verb = next((word for word in given if word in VERBS), None)
    trains = arguments is None and (verb == "run" or (verb == "sweep" and "--one" in given))
    translates = arguments is None and verb == "translate"
    worker.begin()
    if arguments is None:
        again.keep_folder_out()
    if trains or translates:
        from toonforge.cli import leaving

        leaving.at_once() if trains else leaving.at_once(leaving.stopped)
    with lasting() if verb in LASTING else nullcontext(), obeying_nobody():
        code = _main(given)
    if trains or translates:
        leaving.ends(code)  # what runs at Python's exit is still to come
    return code


LASTING = ("run", "sweep", "data")
"""Verbs whose hours of work are worth more than what they print."""


def _main(given: Sequence[str]) -> int:
    import click

    from toonforge.cli import deprecations, faults
    from toonforge.cli.group import toonforge
    from toonforge.errors import ToonforgeError

    if instruction := os.environ.get("_TOONFORGE_COMPLETE"):
        from toonforge.cli import shells

        return shells.answer(toonforge, instruction)
    output = sys.stdout
    try:
        with deprecations.told():
            code = toonforge.main(given, prog_name="toonforge", standalone_mode=False, obj=given)
        sys.stdout.flush()
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # Click 8.1 does not know it, and leaves with 0
            error.show()
        else:
            faults.show_usage(error)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except ToonforgeError as error:
        faults.show(error)
        return 2
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and sys.stdout is output:
            raise
        # The reader of a pipe has left (`toonforge list | head`), of which Click makes an exit of 1, with another
        # stdout; Python must not complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            faults.show(faults.too_long(error))
            return 2
        faults.show_ours(error, traceback_wanted="--traceback" in given)
        return 1
    return code if isinstance(code, int) else 0
