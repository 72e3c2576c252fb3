"""Keeps report.html of a run up to date while it trains."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from toonforge import events
from toonforge.plugins.hookspecs import hookimpl

SHARE = 50
"""The page is written anew no sooner than so many times what the last writing took: about 2 % of the run's time."""


class ReportWriter:
    """Listens to one run. A page that cannot be written is said once, and never ends the run."""

    def __init__(self) -> None:
        self._not_before = 0.0
        self._drawn = False
        self._said = False
        self.took = 0.0
        """Seconds that writing took, all together."""

    @hookimpl
    def run_started(self, run: events.RunInfo) -> None:
        """A run begins or resumes."""
        self._not_before, self._drawn = 0.0, False

    @hookimpl(trylast=True)
    def grid_drawn(self, run: events.RunInfo, step: int, grid: Path) -> None:
        """The first grid of a start is shown at once."""
        self._write(run.folder, now=not self._drawn)
        self._drawn = True

    @hookimpl(trylast=True)
    def metrics_measured(self, run: events.RunInfo, measured: events.Measured) -> None:
        """Numbers go into the page."""
        self._write(run.folder)

    @hookimpl(trylast=True)
    def warned(self, run: events.RunInfo, warning: events.Warned) -> None:
        """So does what looks wrong."""
        self._write(run.folder)

    @hookimpl(trylast=True)
    def best_improved(self, run: events.RunInfo, best: events.Best) -> None:
        """So does the best step."""
        self._write(run.folder)

    @hookimpl(trylast=True)
    def run_finished(self, run: events.RunInfo, finished: events.Finished) -> None:
        """The last page, of the whole run; also of one that failed."""
        self._write(run.folder, now=True)

    def _write(self, folder: Path, now: bool = False) -> None:
        began = time.monotonic()
        if not now and began < self._not_before:
            return
        try:
            from toonforge.report.page import write_report

            write_report(folder)
        except Exception as error:  # whatever it is, the training is worth more than its page
            if not self._said:
                self._said = True
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                print(f"note: report.html cannot be written: {reason}", file=sys.stderr)
        took = time.monotonic() - began
        self.took += took
        self._not_before = time.monotonic() + SHARE * took
