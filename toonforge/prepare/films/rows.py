"""Rows of the manifest of frames: each is named after its frame, while the engine goes on piece by piece of a film."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.prepare.engine import manifest
from toonforge.prepare.engine.work import Report, Row
from toonforge.prepare.films.plan import Piece, Wanted, clock
from toonforge.prepare.films.tasks import Writing, figures_file, load_survey

_AGAIN = -1
"""A time of no file: the row does not hold."""


def by_piece(
    rows: Iterable[Row],
    parts: Mapping[str, Sequence[Piece]],
    planned: Mapping[str, Sequence[Wanted]],
    surveys: Path,
) -> list[Row]:
    """Rows of frames, named after the piece that each frame is in now, as the engine compares them with its sources.

    Those of a piece hold only if they are exactly the frames that are wanted of it.

    Args:
        parts: film -> its pieces; rows of other films keep their names.
        planned: piece -> what is wanted of it.
        surveys: where `Surveying` wrote.
    """
    named = [_in_its_piece(row, parts, surveys) for row in rows]
    there: dict[str, list[float]] = {}
    for row in named:
        if row.figures["time"] != "":
            there.setdefault(row.source, []).append(float(row.figures["time"]))
    whole = {
        piece
        for piece, wanted in planned.items()
        if sorted(there.get(piece, ())) == sorted(round(one.time, 6) for one in wanted)
    }
    return [
        attrs.evolve(row, modified=_AGAIN) if row.source in planned and row.source not in whole else row
        for row in named
    ]


def _in_its_piece(row: Row, parts: Mapping[str, Sequence[Piece]], surveys: Path) -> Row:
    name, time = str(row.figures["film"]), row.figures["time"]
    if time == "" or name not in parts:
        return row
    film = load_survey(surveys / figures_file(name))
    wanted = film.position(float(time))
    after = int(film.positions.searchsorted(wanted).clip(0, len(film.positions) - 1))
    nearest = min(film.positions[max(after - 1, 0) : after + 1].tolist(), key=lambda position: abs(position - wanted))
    return next((attrs.evolve(row, source=piece.name) for piece in parts[name] if piece.holds(nearest)), row)


def by_frame(report: Report, present: Iterable[str]) -> Report:
    """A report whose rows are named after their frames: film.mkv#t=00:01:00.120, a media fragment (W3C).

    Args:
        present: the films that are there; what is of others is `gone`.
    """
    there = set(present)
    rows = sorted((_of_its_frame(row) for row in report.rows), key=lambda row: row.source)
    gone = tuple(row.source for row in rows if row.output and str(row.figures["film"]) not in there)
    if tuple(rows) != report.rows:
        manifest.write(report.out / manifest.CSV, rows, Writing.columns)
    return attrs.evolve(report, rows=tuple(rows), gone=gone)


def _of_its_frame(row: Row) -> Row:
    time = row.figures["time"]
    return row if time == "" else attrs.evolve(row, source=f"{row.figures['film']}#t={clock(float(time))}")
