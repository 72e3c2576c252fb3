"""OUT of `toonforge data frames`: held for a whole call, and only what this verb can have written is read back from it.

The manifests there may have been damaged, or made by anyone: no film outside the films' folder is looked for, and
nothing is written outside OUT, whatever they say.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError
from toonforge.prepare.engine import manifest, out_folder
from toonforge.prepare.engine.manifest import is_below
from toonforge.prepare.engine.task import FAILED, UNREADABLE, Source
from toonforge.prepare.engine.work import Row
from toonforge.prepare.films.tasks import Measuring, Surveying, Writing, figures_file

FRAMES, FILMS, SCENES = "frames", ".films", ".scenes"
"""The verb, and folders in OUT for what was found out about films and their pieces."""

AT_WORK = ".at-work"
"""An empty folder in OUT that a call holds from its begin to its end: the engine holds OUT for one pass only."""

_NOTHING_YET = {"written": 0}
"""The last pass has not begun: without counts, the engine would take it for one that ended badly."""

_LATEST = 1e9
"""Seconds in a film, at most."""


@contextmanager
def held(given: Sequence[Path], out: Path, settings: Mapping[str, object], force: bool) -> Iterator[None]:
    """Make OUT fit for the last pass, or refuse it, before hours of work on the first two; inside, it is ours alone.

    Args:
        given: films and folders, the first of which the manifest calls the source.

    Raises:
        DataError: OUT cannot be used, was begun with other settings, or another call is at work there.
    """
    for path in given:
        out_folder.refuse_overlap(path, out)
    plain, source = out_folder.plain(settings), Path(os.path.abspath(given[0]))
    with ExitStack() as call:
        known = (out / AT_WORK).is_dir()
        if known:  # before OUT itself, so that a call at work never finds OUT held by one that is refused
            _hold(out, call)
        with out_folder.alone(out), out_folder.writing(out):
            before = out_folder.begun(out, FRAMES)
            if before is None:
                out_folder.clean(out)
                out_folder.write_begun(out, FRAMES, plain, source, _NOTHING_YET)
            elif not force:
                out_folder.refuse_changed(out, before, plain, source)
            if not known:
                _hold(out, call)
            if before is not None:
                out_folder.clean(out)
                if force:
                    out_folder.remove(out, manifest.outputs_named(out / manifest.CSV))
                    manifest.write(out / manifest.CSV, (), Writing.columns)
                    out_folder.write_begun(out, FRAMES, plain, source, before.get("counts"))
            _mend(out / FILMS, Surveying.columns, "read")
            _mend(out / SCENES, Measuring.columns, "measured")
        yield


def _hold(out: Path, call: ExitStack) -> None:
    try:
        call.enter_context(out_folder.alone(out / AT_WORK))
    except DataError as error:  # what is at work there is so in OUT
        inner, outer = shown(out / AT_WORK), shown(out)
        raise DataError(
            *(attrs.evolve(problem, message=problem.message.replace(inner, outer)) for problem in error.problems)
        ) from None


def _mend(folder: Path, columns: Sequence[str], done: str) -> None:
    """Leave only rows in a hidden manifest that a pass can have written; what the others stood for is done again."""
    table = folder / manifest.CSV
    if not table.is_file():
        return
    try:
        found, _ = manifest.read(table, columns)
    except DataError:  # other columns
        manifest.write(table, (), columns)
        return
    times = Counter(row.source for row in found)
    outputs = {done: True, UNREADABLE: False, FAILED: False}
    good = [
        row
        for row in found
        if is_below(row.source)
        and times[row.source] == 1
        and row.action in outputs
        and row.output == (figures_file(row.source) if outputs[row.action] else "")
    ]
    if len(good) < len(found):
        manifest.write(table, good, columns)


def begun(out: Path, verb: str) -> Mapping[str, Any] | None:
    """What the folder of a pass was begun with; None where it was not."""
    if not out.is_dir():
        return None
    try:
        with out_folder.writing(out):
            return out_folder.begun(out, verb)
    except DataError as error:
        hint = f"move {shown(out)} away, and run the same command again"
        raise DataError(*(attrs.evolve(problem, hint=hint) for problem in error.problems)) from None


def rows(out: Path) -> tuple[Row, ...]:
    """The rows of frames, and of films as a whole, that hold a film's name and a time."""
    found, _ = manifest.read(out / manifest.CSV, Writing.columns)
    return tuple(row for row in found if is_below(str(row.figures["film"])) and _is_time(row.figures["time"]))


def _is_time(time: object) -> bool:
    return time == "" or (isinstance(time, int | float) and 0 <= time < _LATEST)


def with_earlier(found: Sequence[Source], root: Path, out: Path) -> list[Source]:
    """The films, and those of earlier calls that are still there: a film that is not named again is not gone."""
    surveyed, _ = manifest.read(out / FILMS / manifest.CSV, Surveying.columns)
    names = {row.source for row in surveyed if is_below(row.source)} | {str(row.figures["film"]) for row in rows(out)}
    earlier = [Source(name, root / name) for name in names - {source.name for source in found}]
    return sorted([*found, *(source for source in earlier if source.path.is_file())], key=lambda source: source.name)
