"""The engine under every verb: files through a task on all cores, stopped and begun again without losing anything.

What a call did is in OUT/manifest.csv row by row. The next call leaves out what is done (same size, same time, output
there) and does what is new or changed. What was made of files that have vanished stays, unless it is to be pruned.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import attrs

from toonforge.prepare.engine import manifest, out_folder, placing
from toonforge.prepare.engine.attempt import Found, attempt
from toonforge.prepare.engine.manifest import Journal, Row
from toonforge.prepare.engine.plan import Plan, Prune, give_way, make_plan, size_of
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
        total: how many files there are to work on; of several that make one piece of work, that counts once.
        left: files that were not worked on, since it was stopped.
        written: how many outputs the rows name.
        gone: files of earlier calls that are not there any more; what was made of them is, with its rows.
        changed: outputs whose size is not the one they were written with: someone else changed them. They stay.
    """

    out: Path
    rows: tuple[Row, ...]
    stopped: bool
    counts: Mapping[str, int]
    total: int = 0
    left: int = 0
    written: int = 0
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


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
    prune: Prune = True,
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
        prune: whether outputs of sources that are not given any more are removed, or a function that says of which
            rows. Verbs leave that to the user: what was asked for once is not lost because a source is. Rows without
            an output go in any case; so do those whose output is now another source's.
        progress: is told how far it is.
        finish: second pass over all rows, sorted, those of sources that are gone included, once every file was worked
            on; its rows replace those of the same sources, and outputs that no row names any more are removed. Called
            each time, also with the rows that it has changed before, so what it does must depend on their figures
            alone; what it writes is written before it returns. Not called when the work was stopped.

    Raises:
        DataError: OUT cannot be used or written, was begun with other settings, or is at work; a worker cannot start.
        ToonforgeError: as the task raises it.
    """
    stop = Stop()
    places = _places(task)
    out_folder.refuse_overlap(source_folder, out, sources)
    with stop.caught(), out_folder.alone(out), out_folder.writing(out):
        try:
            with stop.at_once():
                plan = _begin(verb, source_folder, sources, task, out, out_folder.plain(settings), force, prune)
        except KeyboardInterrupt:
            return Report(out=out, rows=(), stopped=True, counts={}, total=len(sources), left=len(sources))
        if progress is not None:
            progress.begin(verb, len(sources), len(sources) - len(plan.todo))
        rows = [*plan.rows]
        gone, stopped, worked = plan.gone, False, 0
        with out_folder.swept(out):
            # Closed here and not by the collector: worker processes must be gone when an error leaves.
            with closing(_work(plan, task, out, workers, stop, progress)) as work_done:
                for new in work_done:
                    rows += new
                    worked += 1
            left = len(plan.todo) - worked
            out_folder.settle(out, _outputs((*rows, *plan.gone), places))
            if not left:
                gone = give_way(plan.gone, rows, places)
            whole = sorted((*rows, *gone), key=lambda row: row.source)
            if not left and finish is not None:
                try:
                    with stop.at_once(), placing.noting(out):
                        changed = tuple(finish(tuple(whole)))
                    whole = _replaced(out, whole, changed, places)
                except KeyboardInterrupt:
                    stopped = True
                    out_folder.settle(out, _outputs(whole, places))
            if not left and not stopped:
                unwanted = _outputs((*rows, *plan.gone), places) - _outputs(whole, places)
                placing.note_outputs(out, unwanted)
                manifest.write(out / manifest.CSV, whole, task.columns)
                out_folder.remove(out, unwanted)
                placing.forget_notes(out)
        report = Report(
            out=out,
            rows=tuple(whole),
            stopped=stopped or bool(left),
            counts=dict(Counter(row.action for row in whole).most_common()),
            total=len(sources),
            left=left,
            written=len(_outputs(whole, places)),
            gone=tuple(dict.fromkeys(row.source for row in gone)),
            changed=plan.changed,
        )
        if report.stopped:
            out_folder.sweep(out)
        if not stopped:
            out_folder.write_begun(
                out, verb, out_folder.plain(settings), Path(os.path.abspath(source_folder)), report.counts, places
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
    prune: Prune,
) -> Plan:
    """Make OUT fit for the work: refused, begun anew or gone on with."""
    table, folder = out / manifest.CSV, Path(os.path.abspath(source_folder))
    before = out_folder.begun(out, verb)
    out_folder.clean(out)
    with out_folder.swept(out):
        if before is not None and force:
            out_folder.remove(out, manifest.outputs_named(table, out_folder.places_of(before)))
            out_folder.settle(out, ())
            manifest.write(table, (), task.columns)
        elif before is not None:
            out_folder.refuse_changed(out, before, settings, folder)
        out_folder.write_begun(out, verb, settings, folder, places=_places(task))
        rows, whole = manifest.read(table, task.columns)
        out_folder.settle(out, _outputs(rows, _places(task)))
        plan = make_plan(sources, rows, out, _places(task), prune)
        if before is not None and not before.get("counts"):
            plan = attrs.evolve(plan, risky=True)  # the call before did not come to its end: a file may have ended it
        out_folder.remove(out, plan.stale)
        if not whole or len(plan.rows) + len(plan.gone) < len(rows) or not manifest.is_alone(table):
            manifest.write(table, (*plan.rows, *plan.gone), task.columns)
    return plan


def _places(task: Task) -> tuple[str, ...]:
    places: tuple[str, ...] = getattr(task, "places", ())
    return places


def _outputs(rows: Iterable[Row], places: Sequence[str]) -> set[str]:
    return {output for row in rows for output in row.outputs(places)}


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
            made = (manifest.row_of(source.name, one, size, modified, task.columns) for one in outcomes)
            rows = tuple(_weighed(out, row, _places(task)) for row in made)
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


def _weighed(out: Path, row: Row, places: Sequence[str]) -> Row:
    """A row with the size of its outputs."""
    return attrs.evolve(row, output_bytes=max(size_of(out, row.outputs(places)), 0))


def _replaced(out: Path, rows: Sequence[Row], changed: Sequence[Row], places: Sequence[str]) -> list[Row]:
    """The rows with those of a second pass in place of the first's."""
    before = {row.source: row for row in rows}
    theirs = {row.source for row in changed}
    if unknown := theirs - before.keys():
        raise ValueError(f"rows of no source: {', '.join(sorted(unknown))}")
    new = (row if row.output == before[row.source].output else _weighed(out, row, places) for row in changed)
    kept = [*(row for row in rows if row.source not in theirs), *new]
    kept.sort(key=lambda row: row.source)
    return kept


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
