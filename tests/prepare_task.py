"""A task of the preparation engine for tests, in a module of its own: worker processes import it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import ClassVar

import attrs

from toonforge.data.reading.picture import read_picture
from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.copying import place, write_whole
from toonforge.prepare.engine.task import Outcome, Source


@attrs.frozen(kw_only=True)
class Copy:
    """Copies a picture; files of some names go wrong in the way that the name says.

    Attributes:
        log: every file that is worked on is noted here.
        nap: seconds that each takes.
    """

    log: Path
    nap: float = 0.0

    columns: ClassVar[tuple[str, ...]] = ("width", "note")

    def __call__(self, source: Source, out: Path) -> Outcome | list[Outcome]:
        with self.log.open("a") as log:
            log.write(f"{source.name}\n")
        name = source.path.name
        if name.startswith("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("odd"):
            raise ValueError("an odd one")
        if name.startswith("full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if name.startswith("mend"):
            raise DataError(Problem(message="mend this"))
        if name.startswith("hangs"):
            (out / f".{name}.partial").write_bytes(b"half")
            time.sleep(3600)
        time.sleep(self.nap)
        width = read_picture(source.path).shape[1]
        if name.startswith("three"):
            return [self._part(source, out, number) for number in range(3)]
        if name.startswith("pid"):
            return Outcome(action="measured", figures={"width": os.getpid(), "note": " ".join(seen())})
        output = f"kept/{source.target or source.name}"
        place(source.path, out / output, link=False)
        return Outcome(action="kept", output=output, figures={"width": width, "note": "01"})

    def _part(self, source: Source, out: Path, number: int) -> Outcome:
        output = f"parts/{source.name}-{number}"
        write_whole(out / output, bytes([number]))
        return Outcome(action="cut", output=output, reason=f"part {number}", figures={"note": str(number)})


def seen() -> list[str]:
    """What this process must not have imported, and OpenCV's threads."""
    import cv2

    heavy = sorted({"torch", "torchvision", "rich"} & set(sys.modules))
    return [*heavy, f"threads={cv2.getNumThreads()}"]
