"""What of an earlier call still holds, what is to be done, and which of its outputs are not wanted any more."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.prepare.engine.manifest import Row
from toonforge.prepare.engine.task import FAILED, UNREADABLE, Source

AGAIN = (UNREADABLE, FAILED)
"""Actions that are tried again: what was wrong may be mended, without the file itself having changed."""


@attrs.frozen(kw_only=True)
class Plan:
    """What a call has before it.

    Attributes:
        rows: that still hold, sorted by source.
        todo: what to work on, in the order given.
        stats: source -> its bytes and the time it was modified, of those in `todo`.
        stale: outputs of sources that changed or vanished.
        risky: whether one of `todo` broke the task before, perhaps with the process that worked on it.
    """

    rows: tuple[Row, ...]
    todo: tuple[Source, ...]
    stats: Mapping[str, tuple[int, int]]
    stale: frozenset[str]
    risky: bool


def make_plan(sources: Sequence[Source], rows: Sequence[Row], out: Path) -> Plan:
    """Compare what there is with the rows of earlier calls."""
    if twice := [name for name, count in Counter(source.name for source in sources).items() if count > 1]:
        raise ValueError(f"names of several sources: {', '.join(twice[:5])}")
    before: dict[str, list[Row]] = {}
    for row in rows:
        before.setdefault(row.source, []).append(row)
    kept: list[Row] = []
    todo: list[Source] = []
    stats: dict[str, tuple[int, int]] = {}
    for source in sources:
        now = _stat(source.path)
        theirs = before.get(source.name, [])
        if theirs and all(_holds(row, source, now, out) for row in theirs):
            kept += theirs
        else:
            todo.append(source)
            stats[source.name] = now
    kept.sort(key=lambda row: row.source)
    stale = {row.output for row in rows} - {row.output for row in kept} - {""}
    risky = any(row.action == FAILED for row in rows)
    return Plan(rows=tuple(kept), todo=tuple(todo), stats=stats, stale=frozenset(stale), risky=risky)


def _holds(row: Row, source: Source, now: tuple[int, int], out: Path) -> bool:
    if row.action in AGAIN or (row.bytes, row.modified) != now:
        return False
    if source.target and row.output and row.output != source.target:
        return False
    return not row.output or os.path.isfile(out / row.output)


def _stat(path: Path) -> tuple[int, int]:
    """Bytes, and time modified in nanoseconds; zeros where the system does not say."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
