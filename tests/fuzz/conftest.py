"""Counts of a long run, one line a target."""

from __future__ import annotations

import json
import sys

import pytest

# What an example takes is measured as Linux tells it.
collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]

COLUMNS = ("examples", "valid", "refused", "findings")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was fuzzed, and with which seed."""
    rows = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "fuzz":
                    rows[report.nodeid.removesuffix("[long]").rpartition("/")[2]] = json.loads(value)
    if not rows:
        return
    terminalreporter.section("fuzzing")
    seeds = ", ".join(sorted({str(row["seed"]) for row in rows.values()}))
    terminalreporter.line(f"TOONFORGE_FUZZ_SEED={seeds}")
    width = max(map(len, rows))
    terminalreporter.line(f"{'target':<{width}}" + "".join(f"{column:>10}" for column in COLUMNS))
    for target, row in sorted(rows.items()):
        terminalreporter.line(f"{target:<{width}}" + "".join(f"{row.get(column, 0):>10,}" for column in COLUMNS))
    total = {column: sum(row.get(column, 0) for row in rows.values()) for column in COLUMNS}
    terminalreporter.line(f"{'all':<{width}}" + "".join(f"{total[column]:>10,}" for column in COLUMNS))
