"""Looks through folders of pictures before hours of training: a report, a contact sheet and every picture's figures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path

import attrs

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem
from toonforge.files import save_picture, write_atomic
from toonforge.prepare.duplicates.caption import FIRST_LINE
from toonforge.prepare.engine.out_folder import refuse_overlap
from toonforge.prepare.engine.sources import pictures_below
from toonforge.prepare.engine.task import Progress, Source
from toonforge.prepare.engine.work import Report, Row, work
from toonforge.prepare.inspection.compare import compare, once
from toonforge.prepare.inspection.figures import Folder, folder_of
from toonforge.prepare.inspection.files import judge_files
from toonforge.prepare.inspection.finding import Finding, ordered, printable, singles, some
from toonforge.prepare.inspection.folder import look_beside
from toonforge.prepare.inspection.judge import judge, readable
from toonforge.prepare.inspection.measure import Measure
from toonforge.prepare.inspection.page import draw_page
from toonforge.prepare.inspection.same import same_pictures
from toonforge.prepare.inspection.sheet import HEADINGS, Band, draw_sheet
from toonforge.prepare.inspection.spread import spreads
from toonforge.prepare.inspection.table import Line, make_table
from toonforge.prepare.inspection.thumbs import make_thumbs
from toonforge.prepare.pairing.matching import labels
from toonforge.prepare.quality.judging import Limits

PAGE, SHEET = "report.html", "contact-sheet.jpg"
MIN_SIDE = Limits().min_side
"""Short side, in pixels, below which pictures are called small: what most recipes train at."""

SAMPLE, ALL_SAMPLES, ENDS = 16, 96, 8
"""Pictures shown of each folder, and of all folders together at most; and so many of its darkest and brightest."""


@attrs.frozen(kw_only=True)
class Inspection(Report):
    """What was found out.

    Attributes:
        page: report.html.
        sheet: contact-sheet.jpg.
        findings: the worst first.
        table: the folders' figures beside each other.
        labels: of the folders, in the order of the table's cells.
    """

    page: Path
    sheet: Path
    findings: tuple[Finding, ...] = ()
    table: tuple[Line, ...] = ()
    labels: tuple[str, ...] = ()


def inspect(
    folders: Sequence[str | Path] | str | Path,
    out: str | Path | None = None,
    *,
    min_side: int = MIN_SIDE,
    workers: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Inspection:
    """Measure every picture of one folder or several, and say what training would suffer from.

    Writes OUT/report.html, OUT/contact-sheet.jpg and OUT/manifest.csv. What an earlier call measured is used again;
    the report is made anew. Without a report where it was stopped.

    Args:
        folders: to look through; only read. Several are compared, such as photographs and cartoons.
        out: where to write; a folder beside the first one, named after all, when left out.
        min_side: short side in pixels below which pictures are called small: that of training.
        workers: processes at most; one a processor when left out.
        force: begin anew where OUT was begun with other folders.
        progress: is told how far it is.

    Raises:
        DataError: a folder is missing, is a file, holds no pictures, is given twice or lies in another; or OUT cannot
            be used.

    Examples:
        >>> from toonforge.prepare import inspect
        >>> found = inspect(["photos", "drawings"], "inspected", min_side=32, workers=1)
        >>> found.counts, found.page.name
        ({'measured': 8}, 'report.html')
    """
    paths = [Path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]
    if not paths:
        raise DataError(Problem(message="no folder to look through", expected="one folder of pictures, or several"))
    if min_side < 1:
        raise DataError(Problem(message="out of range", key="min_side", found=str(min_side), expected="1 or more"))
    names = tuple(map(shown, labels(paths)))
    _refuse_nested(paths)
    there = Path(out) if out is not None else default_out(paths)
    prefixes = [f"{name}/" if len(paths) > 1 else "" for name in names]
    sources: list[Source] = []
    for path, prefix in zip(paths, prefixes):
        refuse_overlap(path, there)
        sources += [attrs.evolve(source, name=prefix + source.name) for source in pictures_below(path)]
    sources.sort(key=lambda source: source.name)
    files = {source.name: source.path for source in sources}
    made: list[tuple[tuple[Finding, ...], tuple[Line, ...]]] = []

    def report(rows: tuple[Row, ...]) -> Iterable[Row]:
        found = [
            folder_of(label, path, prefix, look_beside(path), [row for row in rows if row.source.startswith(prefix)])
            for label, path, prefix in zip(names, paths, prefixes)
        ]
        made.append(_report(found, files, there, min_side, progress))
        return ()

    settings = {"folders": {name: shown(path.resolve()) for name, path in zip(names, paths)}}
    done = work(
        "inspect",
        paths[0],
        sources,
        Measure(),
        there,
        settings,
        workers=workers,
        force=force,
        progress=progress,
        finish=report,
    )
    findings, table = made[-1] if made else ((), ())
    return Inspection(
        **attrs.asdict(done, recurse=False),
        page=there / PAGE,
        sheet=there / SHEET,
        findings=findings,
        table=table,
        labels=names,
    )


def _refuse_nested(folders: Sequence[Path]) -> None:
    """Raise `DataError` where a folder lies in another: every picture of it would be said to be in both."""
    for one, other in permutations(folders, 2):
        if other.resolve() in one.resolve().parents:
            found = f"{shown(one)} lies in {shown(other)}"
            raise DataError(Problem(message="a folder lies in another that is looked through too", found=found))


def default_out(folders: Sequence[Path]) -> Path:
    """Beside the first folder: "photo-inspection", "photo-cartoon-inspection"."""
    first = folders[0].resolve()
    names = "-".join(folder.resolve().name for folder in folders)
    if not first.name:
        raise DataError(Problem(message=f"nothing lies beside {shown(first)}", hint="give a folder with -o"))
    return (
        folders[0].parent / f"{names[:_LONGEST]}-inspection"
        if folders[0].name not in ("", "..")
        else (first.with_name(f"{names[:_LONGEST]}-inspection"))
    )


_LONGEST = 80


def _report(
    folders: Sequence[Folder], files: dict[str, Path], out: Path, min_side: int, progress: Progress | None = None
) -> tuple[tuple[Finding, ...], tuple[Line, ...]]:
    """Judge, and write the page and the sheet."""
    limits = Limits(min_side=min_side)
    found = [
        *(finding for folder in folders for finding in readable(folder)),
        *compare(folders),
        *same_pictures(folders),
        *(finding for folder in folders for finding in judge(folder, limits)),
        *(finding for folder in folders for finding in judge_files(folder)),
    ]
    findings = ordered(once(found))
    galleries = [band for folder in folders for band in _galleries(folder, len(folders))]
    shown_with = [
        Band(
            title=f"{' and '.join(finding.folders)}: {HEADINGS.get(finding.kind, finding.kind)}",
            note=some(len(finding.lines), "group" if len(finding.groups[0]) > 1 else "picture"),
            groups=finding.groups,
        )
        for finding in findings
        if finding.groups
    ]
    wanted = [shot.source for band in (*galleries, *shown_with) for group in band.groups for shot in group]
    thumbs = make_thumbs(files, wanted, progress)
    *first, last = (printable(folder.label) for folder in folders)
    title = f"{', '.join(first)} and {last}" if first else last
    lines = {name: line for line, name in enumerate(files, start=FIRST_LINE)}  # the manifest has them in this order
    sheet = draw_sheet(title, [*galleries, *shown_with], thumbs, lines)
    save_picture(sheet, out / SHEET, format="JPEG", quality=88, optimize=True)
    table = make_table(folders, limits)
    page = draw_page(title, _subtitle(folders), folders, findings, table, spreads(folders, limits), galleries, thumbs)
    write_atomic(out / PAGE, page)
    return findings, table


def _subtitle(folders: Sequence[Folder]) -> str:
    unread = sum(len(folder.unreadable) for folder in folders)
    total = sum(map(len, folders)) + unread
    where = f" in {len(folders)} folders" if len(folders) > 1 else ""
    return f"{some(total, 'picture file')}{where}, " + (f"{unread:,} cannot be read" if unread else "all readable")


def _of(number: int, whole: int) -> str:
    return "" if whole == 1 else "all " if number == whole else f"{number} of "


def _galleries(folder: Folder, of: int) -> Iterable[Band]:
    """A sample, the darkest and the brightest."""
    import numpy as np

    if not len(folder):
        return
    number = min(len(folder), SAMPLE, max(4, ALL_SAMPLES // of))
    # By a digest of their names: a fair sample, and nearly the same one when files are added.
    chosen = sorted(folder.names, key=lambda name: hashlib.blake2b(name.encode(), digest_size=8).digest())[:number]
    whole = number == len(folder)
    yield Band(
        title=f"{folder.label}: {_of(number, len(folder))}{some(len(folder), 'picture')}",
        note="" if whole else "drawn at random",
        groups=singles(folder.shot(name) for name in chosen),
    )
    brightness = folder.numbers["brightness"]
    order = np.argsort(brightness, kind="stable")
    half = min(ENDS, len(folder) // 2)
    for title, places in (("darkest", order[:half]), ("brightest", order[::-1][:half])):
        if half:
            shots = (folder.shot(folder.names[i], f"brightness {brightness[i]:.2f}") for i in places)
            yield Band(title=f"{folder.label}: {title}", groups=singles(shots))
