"""The engine under every verb: files through a task on all cores, stopped and begun again without losing anything.

What a call did is in OUT/manifest.csv row by row. The next call leaves out what is done (same size, same time, output
there), does what is new or changed, and forgets what has vanished, with the outputs that the verb wrote for it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import attrs

from toonforge.prepare.engine import manifest, out_folder
from toonforge.prepare.engine.attempt import Found, attempt
from toonforge.prepare.engine.manifest import Journal, Row
from toonforge.prepare.engine.plan import Plan, make_plan
from toonforge.prepare.engine.stop import Stop
from toonforge.prepare.engine.task import FAILED, UNREADABLE, Figure, Outcome, Progress, Source, Task
from toonforge.prepare.engine.workers import processors, work_in_processes

FEW, SMALL = 16, 8 << 20
"""So few files of so few bytes in all are done before a process would have started."""


@attrs.frozen(kw_only=True)
class Report:
    """What a verb did.

    Attributes:
        out: where.
        rows: of the manifest, those of earlier calls included, sorted by source.
        stopped: whether Ctrl-C or SIGTERM ended it before its end.
        counts: action -> how many rows, most first.
        left: files that were not worked on, since it was stopped.
    """

    out: Path
    rows: tuple[Row, ...]
    stopped: bool
    counts: Mapping[str, int]
    left: int = 0


def work(
    verb: str,
    source_folder: Path,
    sources: Sequence[Source],
    task: Task,
    out: Path,
    settings: Mapping[str, object],
    *,
    workers: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
    finish: Callable[[tuple[Row, ...]], Iterable[Row]] | None = None,
) -> Report:
    """Work on every source that is not done.

    Args:
        verb: whose folder OUT is.
        source_folder: where the sources come from; only read.
        sources: all of them, names unique. One with a `target` is worked on again where its output is another.
        task: the work on one file.
        out: the verb's own folder; made, or gone on with.
        settings: all that the outputs depend on, as JSON can hold it.
        workers: processes at most; None for one a processor. Few small files are done without any.
        force: begin anew where OUT was begun with other settings: outputs that the manifest names are removed first.
        progress: is told how far it is.
        finish: second pass over all rows, sorted, once every file was worked on; its rows replace those of the same
            sources, and outputs that no row names any more are removed. Called each time, also with the rows that it
            has changed before, so what it does must depend on their figures alone; what it writes is written before
            it returns. Not called when the work was stopped.

    Raises:
        DataError: OUT cannot be used or written, was begun with other settings, or is at work; a worker cannot start.
        ToonforgeError: as the task raises it.
    """
    stop = Stop()
    out_folder.refuse_overlap(source_folder, out, sources)
    with stop.caught(), out_folder.alone(out), out_folder.writing(out):
        try:
            with stop.at_once():
                plan = _begin(verb, source_folder, sources, task, out, out_folder.plain(settings), force)
        except KeyboardInterrupt:
            return _report(out, (), True, len(sources))
        if progress is not None:
            progress.begin(verb, len(sources), len(sources) - len(plan.todo))
        rows = [*plan.rows]
        worked = 0
        # Closed here and not by the collector: worker processes must be gone when an error leaves.
        with closing(_work(plan, task, out, workers, stop, progress)) as work_done:
            for new in work_done:
                rows += new
                worked += 1
        rows.sort(key=lambda row: row.source)
        left = len(plan.todo) - worked
        if not left and finish is not None:
            try:
                with stop.at_once():
                    changed = tuple(finish(tuple(rows)))
            except KeyboardInterrupt:
                return _report(out, rows, True, 0)
            rows = _replaced(out, rows, changed)
        if not left:
            manifest.write(out / manifest.CSV, rows, task.columns)
        report = _report(out, rows, bool(left), left)
        out_folder.write_begun(
            out, verb, out_folder.plain(settings), Path(os.path.abspath(source_folder)), report.counts
        )
        return report


def _begin(
    verb: str,
    source_folder: Path,
    sources: Sequence[Source],
    task: Task,
    out: Path,
    settings: Mapping[str, object],
    force: bool,
) -> Plan:
    """Make OUT fit for the work: refused, begun anew or gone on with."""
    table, folder = out / manifest.CSV, Path(os.path.abspath(source_folder))
    before = out_folder.begun(out, verb)
    out_folder.clean(out)
    if before is not None and force:
        out_folder.remove(out, manifest.outputs_named(table))
        manifest.write(table, (), task.columns)
    elif before is not None:
        out_folder.refuse_changed(out, before, settings, folder)
    out_folder.write_begun(out, verb, settings, folder)
    rows, whole = manifest.read(table, task.columns)
    plan = make_plan(sources, rows, out)
    if before is not None and not before.get("counts"):
        plan = attrs.evolve(plan, risky=True)  # the call before did not come to its end: a file may have ended it
    out_folder.remove(out, plan.stale)
    if not whole or len(plan.rows) < len(rows):
        manifest.write(table, plan.rows, task.columns)
    return plan


def _work(
    plan: Plan, task: Task, out: Path, workers: int | None, stop: Stop, progress: Progress | None
) -> Generator[tuple[Row, ...], None, None]:
    """The rows of each source as it is done; they are in the manifest then."""
    size = sum(plan.stats[source.name][0] for source in plan.todo)
    few = len(plan.todo) <= FEW and size <= SMALL and not plan.risky
    count = min(workers or processors(), len(plan.todo))
    found = _work_here(task, plan.todo, out, stop) if few else work_in_processes(task, plan.todo, out, count, stop)
    journal = Journal(out / manifest.CSV, task.columns)
    with closing(journal), closing(found):
        for source, outcomes in found:
            if not isinstance(outcomes, tuple):
                raise outcomes
            size, modified = plan.stats[source.name]
            rows = tuple(manifest.row_of(source.name, one, size, modified, task.columns) for one in outcomes)
            journal.append(rows)
            if progress is not None:
                progress.advance(outcomes[0])
            yield rows


def _work_here(
    task: Task, sources: Sequence[Source], out: Path, stop: Stop
) -> Generator[tuple[Source, Found], None, None]:
    for source in sources:
        try:
            with stop.at_once():
                found = attempt(task, source, out)
        except KeyboardInterrupt:
            return
        yield source, found


def _replaced(out: Path, rows: Sequence[Row], changed: Sequence[Row]) -> list[Row]:
    """The rows with those of a second pass in place of the first's."""
    theirs = {row.source for row in changed}
    if unknown := theirs - {row.source for row in rows}:
        raise ValueError(f"rows of no source: {', '.join(sorted(unknown))}")
    kept = [*(row for row in rows if row.source not in theirs), *changed]
    kept.sort(key=lambda row: row.source)
    out_folder.remove(out, {row.output for row in rows} - {row.output for row in kept})
    return kept


def _report(out: Path, rows: Iterable[Row], stopped: bool, left: int) -> Report:
    rows = tuple(sorted(rows, key=lambda row: row.source))
    counts = dict(Counter(row.action for row in rows).most_common())
    return Report(out=out, rows=rows, stopped=stopped, counts=counts, left=left)


__all__ = [
    "FAILED",
    "UNREADABLE",
    "Figure",
    "Outcome",
    "Progress",
    "Report",
    "Row",
    "Source",
    "Task",
    "work",
]
