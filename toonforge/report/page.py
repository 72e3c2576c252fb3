"""The page of a run: report.html, made of nothing but what lies in the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toonforge.errors import Problem, RunError
from toonforge.files import write_atomic
from toonforge.report import around
from toonforge.report.clock import Clock
from toonforge.report.curves import charts
from toonforge.report.evaluations import evaluations
from toonforge.report.figures import drawn
from toonforge.report.gallery import gallery
from toonforge.report.html import count, render_page
from toonforge.report.metrics import metrics_table, results
from toonforge.report.pictures import Pictures
from toonforge.report.recipe_part import recipe_part
from toonforge.report.state import facts, state, warnings
from toonforge.runs.record import Record, read_record

NAME = "report.html"
SKIPPED = 200
"""Skipped pictures that a page names; it counts them all."""


def write_report(run: str | Path, out: str | Path | None = None) -> Path:
    """Write a run's page.

    Args:
        run: the run's folder, whatever state it is in.
        out: the file; `report.html` in the run's folder when left out.

    Returns:
        Where it lies.

    Raises:
        RunError: for a folder that holds no run, or a file that cannot be written.

    Examples:
        >>> import toonforge
        >>> toonforge.write_report("runs/small", "small.html").name
        'small.html'
    """
    record = read_record(run)
    path = Path(out) if out is not None else record.folder / NAME
    text = draw_report(record)
    try:
        write_atomic(path, text)
    except OSError as error:
        raise RunError(
            Problem(
                message=f"cannot write {path}",
                found=error.strerror or str(error),
                hint="give another file with --out"
                if path.parent.is_dir()
                else "its folder is not there: make it first",
            )
        ) from None
    return path


def draw_report(record: Record, now: float | None = None) -> str:
    """The page as text.

    Args:
        now: seconds since 1970, by which a run without an end is judged; the present when left out.
    """
    pictures, clock = Pictures(), Clock(record)
    figures = drawn(record, pictures)
    trained = [(figure["name"], figure["note"]) for figure in figures]
    later = evaluations(record.folder, pictures, figures)
    metrics = metrics_table(record)
    folder = record.folder.resolve().name
    shown = gallery(record, pictures, _label(record), _budget(pictures))
    return render_page(
        "report.html.j2",
        ["report.js"],
        {
            "curves": charts(record, clock),
            "gallery": shown.data,
            "figures": figures,
            "pictures": pictures.data(),
        },
        name=folder or record.name,
        recipe_name=record.name if folder and folder != record.name else "",
        results=results(metrics),
        state=state(record, now),
        facts=facts(record, clock),
        warnings=warnings(record),
        has_gallery=shown.data is not None,
        gallery_note=shown.note,
        metrics=metrics,
        evaluations=later,
        figures=trained,
        recipe=recipe_part(record),
        **_around(record, clock),
    )


def _budget(pictures: Pictures) -> int:
    """What is left for the gallery."""
    from toonforge.report.gallery import BUDGET

    return max(BUDGET - pictures.size, BUDGET // 4)


def _label(record: Record) -> Callable[[int], str]:
    """Step -> "step 500, epoch 3.5"."""
    epoch = record.starts[-1].steps_per_epoch if record.starts else 0
    return lambda step: f"step {count(step)}" + (f", epoch {step / epoch:.3g}" if epoch > 0 else "")


def _around(record: Record, clock: Clock) -> Mapping[str, Any]:
    data_columns, data_rows = around.data_table(record)
    skipped = [f"{path}: {reason}" for path, reason in record.skipped.items()]
    return {
        "networks": around.networks(record),
        "first_weights": around.first_weights(record),
        "data_facts": around.data_facts(record),
        "data_columns": data_columns,
        "data_rows": data_rows,
        "environment": around.environment(record),
        "speed": around.speed(record, clock),
        "unused_tricks": around.unused_tricks(record),
        "resumes": around.resumes(record),
        "notes": around.notes(record),
        "unread": around.unread(record),
        "skipped": skipped[:SKIPPED],
        "skipped_count": len(skipped),
        "retried": around.retried(record)[:SKIPPED],
        "retried_count": len(record.retried),
    }
