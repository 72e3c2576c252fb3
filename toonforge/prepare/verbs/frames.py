"""`toonforge data frames`: pictures out of films, the sharpest of each scene or one every so many seconds.

Three passes, each begun again where it was stopped: every film is read once without decoding it; to find scenes, it is
decoded in pieces and a few figures of each frame are kept; and the frames that are wanted are decoded and written.
What the first two found out stays in the hidden folders OUT/.films and OUT/.scenes, which may be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.extras import need
from toonforge.prepare.engine import manifest, out_folder
from toonforge.prepare.engine.plan import Prune
from toonforge.prepare.engine.sources import beside, with_targets
from toonforge.prepare.engine.task import FAILED, UNREADABLE, Outcome, Progress, Source, Task
from toonforge.prepare.engine.work import Report, Row, work
from toonforge.prepare.films import folder
from toonforge.prepare.films.finding import find_films
from toonforge.prepare.films.folder import FILMS, FRAMES, SCENES
from toonforge.prepare.films.plan import Choice, Piece, Wanted, in_pieces, pieces, wanted
from toonforge.prepare.films.rows import by_frame, by_piece
from toonforge.prepare.films.scenes import THRESHOLD
from toonforge.prepare.films.tasks import (
    REMARKS,
    Measuring,
    Surveying,
    Writing,
    figures_file,
    load_figures,
    load_survey,
)
from toonforge.prepare.films.values import check, named

MEASURES = 1
"""Counted up when what is kept there means something else."""


def frames(
    films: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    every: float | None = None,
    per_scene: int = 1,
    threshold: float = THRESHOLD,
    start: float = 0.0,
    until: float | None = None,
    size: int | None = None,
    format: str = "jpg",
    max: int | None = None,
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Take pictures out of films.

    A frame comes out upright, with square pixels and 8 bits a colour; HDR is not tone-mapped. Near-black frames are
    left out. A film that cannot be read is "unreadable" in the manifest, one that is torn off gives what is there.

    Args:
        films: files, and folders in which films are looked for.
        out: gets FILM/000012.480s.jpg (the time in seconds) for each frame. Further films may be added by later calls.
            A folder beside the first film, "film-frames", when left out.
        every: seconds from one frame to the next; None for the sharpest frames of each scene.
        per_scene: how many of each scene, evenly spaced.
        threshold: times that a frame changes more than its neighbours, to be a cut; higher finds fewer scenes.
        start, until: seconds between which frames are taken; `--from` (a word of Python's) and `--until`.
        size: pixels to which the short side is scaled down; never up, and not at all when left out.
        format: "jpg" (quality 95, colours at full size) or "png". Frames have been through a lossy compression already,
            so JPEG costs little: it differs less from the frame than the frame does from what was filmed.
        max: how many frames of one film at most, evenly spaced among those that would be taken.
        prune: remove frames whose films are gone.
        workers, force, progress: as `toonforge.prepare.engine.work.work` takes them.

    Raises:
        DataError: there is no film, a value is out of its range, or OUT cannot be used.
        ToonforgeError: PyAV is not installed.

    Examples:
        >>> from toonforge.prepare import frames
        >>> frames("film.mp4", "stills", every=0.16, workers=1).counts  # seconds
        {'written': 2}
    """
    given = [Path(films)] if isinstance(films, str | Path) else [*map(Path, films)]
    choice = Choice(every=every, per_scene=per_scene, threshold=threshold, begin=start, end=until, most=max)
    check(choice, size, format)
    need("av", "films need")
    root, found = find_films(given)
    out = _beside(given[0]) if out is None else Path(out)
    call = _Call(root, given[0], out, workers, force, progress)
    settings = {**named(choice), "--size": size, "--format": format, "films below": str(root)}
    with folder.held(given, out, settings, force):
        return _frames(call, found, choice, settings, format, size, prune)


def _frames(
    call: _Call,
    found: Sequence[Source],
    choice: Choice,
    settings: Mapping[str, object],
    format: str,
    size: int | None,
    prune: bool,
) -> Report:
    """The three passes."""
    root, out = call.root, call.out
    sources = folder.with_earlier(found, root, out)
    paths = {source.name: source.path for source in sources}
    surveyed = call.work(FILMS, sources, Surveying())
    if surveyed.stopped:
        return attrs.evolve(surveyed, out=out, rows=(), counts={})
    told = {row.source: row for row in surveyed.rows}
    said = {name: _said(row) for name, row in told.items() if _said(row)}
    parts: dict[str, list[Piece]] = {}
    for source in sources:
        if told[source.name].action == "read":
            film = load_survey(out / FILMS / told[source.name].output)
            first, last = choice.times(film)
            parts[source.name] = [
                piece
                for piece in pieces(source.name, film)
                if film.seconds(piece.first) <= last and (piece.end is None or film.seconds(piece.end) >= first)
            ]
    cut = [Source(piece.name, paths[name]) for name, theirs in parts.items() for piece in theirs]
    films_of = {piece.name: name for name, theirs in parts.items() for piece in theirs}
    if choice.every is None and cut:
        by_name = {piece.name: piece for theirs in parts.values() for piece in theirs}
        measured = call.work(SCENES, cut, Measuring(surveys=out / FILMS, films=films_of, parts=by_name))
        if measured.stopped:
            return attrs.evolve(measured, out=out, rows=(), counts={})
        said.update(_not_measured(measured.rows, films_of))
    planned: dict[str, tuple[Wanted, ...]] = {}
    for name, theirs in parts.items():
        if not {FAILED, UNREADABLE} & said.get(name, {}).keys():
            try:
                planned.update(_plan(name, theirs, out, choice))
            except _NoFrame as error:
                said[name] = {**said.get(name, {}), error.action: str(error)}
    with out_folder.alone(out), out_folder.writing(out):
        before = by_piece(folder.rows(out), parts, planned, out / FILMS)
        manifest.write(out / manifest.CSV, before, Writing.columns)
    earlier = {str(row.figures["film"]) for row in before} - paths.keys()
    ever = [*sources, *(Source(name, root / name) for name in earlier)]
    writing = Writing(
        surveys=out / FILMS,
        films=films_of,
        folders={source.name: source.target for source in with_targets(ever, "")},
        frames=planned,
        said=said,
        format=format,
        size=size,
    )
    todo = [*(Source(name, paths[name]) for name in said), *(one for one in cut if one.name in planned)]

    def old(row: Row) -> bool:
        film = str(row.figures["film"])
        return film in parts or (prune and film not in paths)

    return by_frame(call.work("", todo, writing, settings, old), paths)


def _beside(film: Path) -> Path:
    """Where frames go when that is left out: beside the first film or folder."""
    return beside(film if film.is_dir() else film.with_suffix(""), FRAMES)


@attrs.frozen
class _Call:
    """What the passes of one call have in common."""

    root: Path
    source: Path
    """What the manifest calls the source: of several files and folders, the first; `root` holds them all."""
    out: Path
    workers: int | None
    force: bool
    progress: Progress | None

    def work(
        self,
        below: str,
        sources: Sequence[Source],
        task: Task,
        settings: Mapping[str, object] | None = None,
        prune: Prune = True,
    ) -> Report:
        """One pass, in a hidden folder where `settings` are left out: then it depends on nothing but the films."""
        what, out, force = below.removeprefix(".") or FRAMES, self.out / below, False
        if settings is None:
            settings = {"below": str(self.root), "measures": MEASURES}
            before = folder.begun(out, what)
            force = self.force and before is not None and before["settings"] != settings
        progress = None if self.progress is None else _Named(self.progress, _PASSES[what], bool(below))
        return work(
            what,
            self.source,
            sources,
            task,
            out,
            settings,
            workers=self.workers,
            force=force,
            prune=prune,
            progress=progress,
            finish=_heed if below else None,
        )


def _heed(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Changes nothing; but a stop that is asked for at the very end of a pass is heeded before this is called."""
    return ()


_PASSES = {"films": "films read", "scenes": "film pieces measured", FRAMES: "film pieces gone through"}
"""What is counted in each pass."""


@attrs.define
class _Named:
    """Progress of a pass, in words; one before the last says nothing of what was done before."""

    progress: Progress
    counted: str
    quiet: bool

    def begin(self, what: str, total: int, done: int) -> None:
        if not self.quiet:
            self.progress.begin(self.counted, total, done)
        elif done < total:
            self.progress.begin(self.counted, total - done, 0)

    def advance(self, outcome: Outcome) -> None:
        self.progress.advance(outcome)


class _NoFrame(Exception):
    """A film of which nothing is taken: the action in the manifest, and why."""

    def __init__(self, action: str, reason: str) -> None:
        super().__init__(reason)
        self.action = action


def _plan(name: str, parts: Sequence[Piece], out: Path, choice: Choice) -> Mapping[str, tuple[Wanted, ...]]:
    film = load_survey(out / FILMS / figures_file(name))
    figures = None
    if choice.every is None:
        figures = load_figures([out / SCENES / figures_file(piece.name) for piece in parts])
        if parts and not len(figures.time):
            raise _NoFrame(UNREADABLE, "no frame of it can be decoded")
    found = in_pieces(wanted(film, figures, choice), parts)
    if not found:
        raise _NoFrame("skipped", f"it lasts {film.duration:.1f} seconds, and none is wanted of them")
    return found


def _said(row: Row) -> Mapping[str, str]:
    """What there is to say of a film as a whole: action -> reason."""
    if row.action != "read":
        return {row.action: row.reason}
    return {action: str(row.figures[action]) for action in REMARKS if row.figures[action]}


def _not_measured(rows: Iterable[Row], films_of: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    return {films_of[row.source]: {row.action: row.reason} for row in rows if row.action != "measured"}
