"""How a training that was left goes on, in words: from which step, and with what; who started it decides that."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from toonforge.cli.worker import by_torchrun
from toonforge.runs.described import is_run, resume_command
from toonforge.runs.inventory import FOLDER

NOTHING_LOST = "stopped before the first step: nothing is lost"


@attrs.frozen
class GoingOn:
    """The run in a folder.

    Attributes:
        folder: its folder.
        in_sweep: whether it is one run of a sweep, which names the command that goes on with all of them.
    """

    folder: Path
    in_sweep: bool = False

    def command(self, more: str = "") -> str:
        """What to type, or to do. `more`: further words of the command."""
        if not by_torchrun():
            return resume_command(self.folder) + more
        several = os.environ.get("LOCAL_WORLD_SIZE") != os.environ["WORLD_SIZE"]
        return "the same command and --resume" + (", on every machine" if several else "")

    def step(self) -> int:
        """Of the newest checkpoint; 0 where there is none."""
        found = (FOLDER.match(path.name) for path in (self.folder / "checkpoints").glob("step-*"))
        return max((int(match[1]) for match in found if match is not None), default=0)

    def words(self) -> str:
        """From where it goes on and how, as the files tell it now."""
        if not is_run(self.folder):
            return "nothing was trained yet, start it again"
        step = self.step()
        head = f"goes on from step {step}" if step else "without a checkpoint yet, so it goes on from step 0"
        if self.in_sweep:
            return head
        return f"{head} with {self.command()}" if by_torchrun() else f"{head} with: {self.command()}"

    def left(self) -> str:
        """What is said of a training that was left at once."""
        return f"left at once: {self.words()}"
