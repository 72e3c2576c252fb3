"""The page of a comparison, `compare.html`: one file that works offline, like a run's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toonforge.report.compare_curves import COLOURS, Curve, charts
from toonforge.report.compare_metrics import REFERENCES, Metric
from toonforge.report.compare_pictures import SideBySide, side_by_side
from toonforge.report.compare_recipes import Differing
from toonforge.report.compare_table import Table, href, link
from toonforge.report.compared import Compared
from toonforge.report.html import render_page
from toonforge.report.pictures import Pictures
from toonforge.report.state import state, warnings

REPORT = "report.html"
REFERENCE_WORDS = {REFERENCES[0]: "the untranslated pictures", REFERENCES[1]: "a plain cartoon filter"}


def render(
    title: str,
    place: Path,
    runs: Sequence[Compared],
    table: Table,
    metrics: Sequence[Metric],
    differing: Sequence[Differing],
    surroundings: Sequence[Differing],
    curves: Sequence[Curve],
) -> str:
    """The page as text. `place`: the folder it will lie in, which links to the runs start from."""
    pictures = Pictures()
    shown = side_by_side(runs, pictures)
    drawn = charts(runs, metrics, curves)
    there = [run for run in runs if run.record is not None]
    return render_page(
        "compare.html.j2",
        ["compare.js"],
        {
            "pictures": pictures.data(),
            "gallery": shown.data,
            "charts": drawn if drawn["groups"] else None,
        },
        ["compare.css"],
        title=title,
        lead=_lead(runs, differing),
        table=_rows(table, runs, there),
        verdicts=table.verdicts,
        notes=[*table.failed, *table.notes],
        protocols=table.protocols,
        gallery=shown.data is not None,
        gallery_lead=_gallery_lead(shown),
        gallery_notes=shown.notes,
        charts=bool(drawn["groups"]),
        keys=_sides(differing, there),
        around=_sides(surroundings, there),
        names=[run.name for run in there],
        runs=[_run(run, place, there) for run in runs],
    )


def _sides(differing: Sequence[Differing], there: Sequence[Compared]) -> list[tuple[str, Sequence[Mapping[str, str]]]]:
    """Key -> the value of each run, whole and short."""
    return [
        (found.key, [{"text": found.values[run.name], "short": found.short[run.name]} for run in there])
        for found in differing
    ]


def _lead(runs: Sequence[Compared], differing: Sequence[Differing]) -> str:
    """What these runs are, in a sentence."""
    keys = list(dict.fromkeys(key for run in runs for key in run.values)) or [found.label for found in differing]
    count = f"{len(runs)} runs"
    if not keys:
        return f"{count} of the same recipe."
    if len(keys) > 4:
        return f"{count}. Their recipes differ in {len(keys)} keys, {', '.join(keys[:3])} and others."
    return f"{count}. Their recipes differ in {' and '.join([', '.join(keys[:-1])] * bool(keys[1:]) + keys[-1:])}."


def _rows(table: Table, runs: Sequence[Compared], there: Sequence[Compared]) -> Mapping[str, Any]:
    """The table for the template: heads and rows of cells."""
    colours = {run.name: at % COLOURS + 1 for at, run in enumerate(there)}
    rows = []
    for index in range(table.rows):
        cells = [
            {
                "text": column.cells[index],
                "best": index in column.best,
                "lost": column.lost.get(index, ""),
                "number": column.kind in ("metric", "best", "part", "cost", "step"),
            }
            for column in table.columns
        ]
        label = table.columns[0].cells[index]
        reference = index >= table.runs
        colour = None if reference else colours.get(runs[index].name)
        label = REFERENCE_WORDS.get(label, label) if reference else label
        rows.append({"label": label, "reference": reference, "cells": cells[1:], "colour": colour})
    heads = [
        {"title": column.title, "better": column.better, "number": column.kind not in ("run", "value", "state")}
        for column in table.columns
    ]
    return {"heads": heads, "rows": rows}


def _gallery_lead(shown: SideBySide) -> str:
    """Of which steps the pictures are that the page opens with."""
    if shown.data is None:
        return ""
    best = any(step["best"] for step in shown.data["steps"])
    return "First shown: the last that each run has drawn." + (" The stop ★ shows each run's best checkpoint." * best)


def _run(run: Compared, place: Path, there: Sequence[Compared]) -> Mapping[str, Any]:
    """One run's card: its state, its own page, and what looked wrong."""
    if run.record is None:
        word = {"tone": "", "word": run.state, "steps": "not begun", "told": run.why or ""}
        return {"name": run.name, "state": word, "warnings": [], "report": None, "folder": None, "colour": None}
    told = dict(state(run.record))
    if run.problem is not None and run.state == "failed":
        told |= {"tone": "mend", "word": "failed", "told": run.problem}
    return {
        "name": run.name,
        "state": told,
        "warnings": warnings(run.record),
        "folder": link(run.folder, place),
        "report": f"{href(run.folder, place)}/{REPORT}" if (run.folder / REPORT).is_file() else None,
        "colour": [one.name for one in there].index(run.name) % COLOURS + 1,
    }
