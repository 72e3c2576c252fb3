"""What of an earlier call still holds, what is to be done, and which of its outputs are not wanted any more."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.prepare.engine.manifest import Row
from toonforge.prepare.engine.task import FAILED, UNREADABLE, Source

AGAIN = (UNREADABLE, FAILED)
"""Actions that are tried again: what was wrong may be mended, without the file itself having changed."""

Prune = bool | Callable[[Row], bool]
"""Whether outputs of sources that are not given any more are removed; a function says of which rows."""


@attrs.frozen(kw_only=True)
class Plan:
    """What a call has before it.

    Attributes:
        rows: that still hold, sorted by source.
        gone: rows of sources that are not given any more, whose outputs stay.
        todo: what to work on, in the order given.
        stats: source -> its bytes and the time it was modified, of those in `todo`.
        stale: outputs that no row names any more: of sources that changed, and of those that are pruned.
        changed: outputs of other sizes than they were written with; they hold nevertheless.
        risky: whether one of `todo` broke the task before, perhaps with the process that worked on it.
    """

    rows: tuple[Row, ...]
    gone: tuple[Row, ...]
    todo: tuple[Source, ...]
    stats: Mapping[str, tuple[int, int]]
    stale: frozenset[str]
    changed: tuple[str, ...]
    risky: bool


def make_plan(
    sources: Sequence[Source], rows: Sequence[Row], out: Path, places: Sequence[str] = (), prune: Prune = True
) -> Plan:
    """Compare what there is with the rows of earlier calls.

    Args:
        places: columns that name outputs too.
        prune: whether outputs of sources that are not given any more go.
    """
    if twice := [name for name, count in Counter(source.name for source in sources).items() if count > 1]:
        raise ValueError(f"names of several sources: {', '.join(twice[:5])}")
    before: dict[str, list[Row]] = {}
    for row in rows:
        before.setdefault(row.source, []).append(row)
    kept: list[Row] = []
    changed: list[str] = []
    todo: list[Source] = []
    stats: dict[str, tuple[int, int]] = {}
    for source in sources:
        now = _stat(source.path)
        theirs = before.pop(source.name, [])
        sizes = [size_of(out, row.outputs(places)) for row in theirs]
        if theirs and all(_holds(row, source, now, size) for row, size in zip(theirs, sizes)):
            kept += theirs
            for row, size in zip(theirs, sizes):
                changed += row.outputs(places) if size != row.output_bytes else ()
        else:
            todo.append(source)
            stats[source.name] = now
    kept.sort(key=lambda row: row.source)
    gone = [
        row
        for theirs in before.values()
        for row in theirs
        if not (prune(row) if callable(prune) else prune) and is_there(out, row, places)
    ]
    staying = give_way(gone, kept, places)
    stale = _named(rows, places) - _named((*kept, *staying), places)
    risky = any(row.action == FAILED for row in rows)
    return Plan(
        rows=tuple(kept),
        gone=staying,
        todo=tuple(todo),
        stats=stats,
        stale=frozenset(stale),
        changed=tuple(changed),
        risky=risky,
    )


def give_way(gone: Sequence[Row], rows: Sequence[Row], places: Sequence[str]) -> tuple[Row, ...]:
    """Of rows whose sources are gone, those whose outputs no other row has: beach.png is now that of beach.tiff."""
    taken = _named(rows, places)
    return tuple(row for row in gone if taken.isdisjoint(row.outputs(places)))


def is_there(out: Path, row: Row, places: Sequence[str]) -> bool:
    """Whether any output of a row is there."""
    return any(os.path.isfile(out / output) for output in row.outputs(places))


def size_of(out: Path, outputs: Sequence[str]) -> int:
    """Bytes of all these files; -1 where one of them is not there."""
    sizes = [os.stat(out / output).st_size if os.path.isfile(out / output) else -1 for output in outputs]
    return -1 if -1 in sizes else sum(sizes)


def _named(rows: Sequence[Row], places: Sequence[str]) -> set[str]:
    return {output for row in rows for output in row.outputs(places)}


def _holds(row: Row, source: Source, now: tuple[int, int], size: int) -> bool:
    if row.action in AGAIN or (row.bytes, row.modified) != now:
        return False
    if source.target and row.output and row.output != source.target:
        return False
    return size >= 0


def _stat(path: Path) -> tuple[int, int]:
    """Bytes, and time modified in nanoseconds; zeros where the system does not say."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
