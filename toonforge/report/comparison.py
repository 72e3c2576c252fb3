"""Several runs side by side: one page, one table, and the curves laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from toonforge.data.reading.picture import shown
from toonforge.files import write_atomic
from toonforge.report.compare_curves import comma_separated as curves_csv
from toonforge.report.compare_curves import curves_of
from toonforge.report.compare_figure import figures
from toonforge.report.compare_grid import grid_names, grids
from toonforge.report.compare_metrics import metrics_of
from toonforge.report.compare_page import render
from toonforge.report.compare_recipes import Differing, differing, surroundings
from toonforge.report.compare_table import Table, make_table
from toonforge.report.compare_verdicts import words
from toonforge.report.compare_written import comma_separated as table_csv
from toonforge.report.compare_written import markdown
from toonforge.report.compared import Compared, find_runs, sweep_of
from toonforge.report.comparison_folder import claim, default_folder, own_files, settle
from toonforge.runs.disk import writing

PAGE, TABLE, TABLE_CSV = "compare.html", "table.md", "table.csv"
CURVES_CSV = {"metric": "curves.csv", "loss": "losses.csv"}
LONGEST = 28
"""Characters of a run's name in the title."""
FIGURES = ("curves.png", "curves.svg", "losses.png", "losses.svg")


@attrs.frozen(kw_only=True)
class Comparison:
    """What was compared, and what was written.

    Attributes:
        title: of the page.
        runs: in the order given.
        table: a row a run.
        differing: keys of the recipes that are not the same in all runs.
        folder: where everything lies.
        files: what was written, the page first.
        notes: what could not be made, and why.
    """

    title: str
    runs: tuple[Compared, ...]
    table: Table
    differing: tuple[Differing, ...]
    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / PAGE


def compare(runs: Sequence[str | Path], out: str | Path | None = None) -> Comparison:
    """Compare runs by what lies in their folders: `compare.html`, `table.md`, `table.csv`, curves and figures.

    Args:
        runs: folders of runs; a sweep's folder stands for all its runs.
        out: where the files go; left out: the sweep's folder where one sweep is compared, else `comparisons/NAMES`.
            The files of an earlier comparison there are replaced, and no others.

    Returns:
        What was compared, with the table and the files.

    Raises:
        RunError: for a folder that holds no run, the same run twice, fewer than two runs, or a folder that cannot be
            written or that holds files which no comparison has written.

    Examples:
        >>> import toonforge
        >>> found: toonforge.Comparison = toonforge.compare(["runs/small", "runs/other"], "comparisons/small")
        >>> found.page.name, [run.name for run in found.runs], found.differing
        ('compare.html', ['small', 'other'], ())
    """
    found = find_runs(runs)
    sweep = sweep_of(runs)
    title = sweep.resolve().name if sweep is not None else title_of([run.name for run in found])
    return write(found, title, Path(out) if out is not None else sweep or default_folder(found))


def title_of(names: Sequence[str]) -> str:
    """ "narrow and wide", "a, b and c", "a, b and 3 more": no longer than a heading."""
    short = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    return f"{', '.join(short[:2])} and {len(short) - 2} more" if short[3:] else words(short)


def write(runs: Sequence[Compared], title: str, folder: Path, *, page: bool = True) -> Comparison:
    """Write the comparison of runs into a folder, which is made; `page` = False leaves it at the tables."""
    metrics, keys = metrics_of(runs), differing(runs)
    table = make_table(runs, keys, metrics)
    texts = {TABLE: markdown(table, runs, title, folder), TABLE_CSV: table_csv(runs, keys, metrics)}
    curves = curves_of(runs) if page else []
    for kind, name in CURVES_CSV.items():
        own = [curve for curve in curves if curve.kind == kind]
        if any(len(curve.steps) > 1 for curve in own):
            texts[name] = curves_csv(own)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        claim(folder, runs, [*texts, *((PAGE, *FIGURES, *grid_names(runs)) if page else ())])
        if page:
            around = surroundings(runs)
            texts = {PAGE: render(title, folder, runs, table, metrics, keys, around, curves), **texts}
        for name, text in texts.items():
            write_atomic(folder / name, shown(text))
    drawn, problems = figures(folder, curves, [r.name for r in runs if r.record is not None], metrics, title)
    sheets, unlike = grids(folder, runs, title) if page else ([], [])
    files = (*(folder / name for name in texts), *drawn, *sheets)
    with writing(folder):
        settle(folder, runs, {path.name for path in files} | (set() if page else own_files(folder)))
    return Comparison(
        title=title,
        runs=tuple(runs),
        table=table,
        differing=tuple(keys),
        folder=folder,
        files=files,
        notes=(*problems, *unlike),
    )
