"""How this program is started once more, for a run of a sweep or one of several processes."""

from __future__ import annotations

import os
import sys

_FROM_HERE = ["-m", "toonforge"]
_ELSEWHERE = ["-c", "import sys; del sys.path[0]; from toonforge.cli import main; sys.exit(main())"]


def keep_folder_out() -> None:
    """Let the processes that are started from here import nothing from the current folder unless this one does.

    `python -m` and `python -c` put it first: a torch.py among somebody's pictures would be run. Python 3.10 has no
    switch for that, hence `again`.
    """
    if not _imports_from_here():
        os.environ.setdefault("PYTHONSAFEPATH", "1")


def again() -> list[str]:
    """What the command begins with; arguments of toonforge follow."""
    with_switch = sys.version_info >= (3, 11)
    return [sys.executable, *(_FROM_HERE if with_switch or _imports_from_here() else _ELSEWHERE)]


def _imports_from_here() -> bool:
    """Whether modules in the current folder are found first: toonforge itself may lie there, in a checkout."""
    return sys.path[:1] in ([""], [os.getcwd()])
