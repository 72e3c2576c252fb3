"""The metrics of a run as a table: the last value and the best beside what no translation and a plain filter reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from toonforge.events import About
from toonforge.report.curves import BASELINES, SPREADS
from toonforge.report.html import count, number
from toonforge.runs.record import Record
from toonforge.runs.said import by_sayers
from toonforge.runs.verdict import BASELINES as RIVALS
from toonforge.runs.verdict import against, as_the_newest, best_of

CARDS = 6
"""Metrics that stand at the top of the page at the most."""
ARROWS = {"lower": "↓ lower is better", "higher": "↑ higher is better"}


def metrics_table(record: Record) -> Mapping[str, Any] | None:
    """A row a metric, in the order measured: its last value, and its best; None where nothing is measured."""
    names = list(dict.fromkeys(name for measured in record.measurements for name in measured.values))
    rows, abouts = [], {}
    for name in names:
        measured = [m for m in record.measurements if name in m.values]
        last, about = measured[-1], measured[-1].about.get(name)
        best = best_of(measured, name) if len(measured) > 1 else None
        shown = [(last.values[name], f"step {count(last.step)}")]
        shown.append((best.values[name], f"step {count(best.step)}") if best is not None else ({}, ""))
        rows.append(row(name, shown, about))
        if about is not None:
            alike = as_the_newest(measured, name)
            complete = [m for m in measured if m.complete]
            others = [
                f"measured in another way before step {count(first.step)}: those numbers are not ranked"
                for first in alike[:1]
                if len(alike) < len(complete)
            ]
            others += [
                f"not ranked, since pictures could not be read just then: step {count(m.step)}"
                for m in measured
                if not m.complete
            ]
            cautions = (*about.cautions, *others)
            abouts[name] = attrs.evolve(about, cautions=cautions)
    return table(["last", "best"], rows, abouts) if rows else None


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], about: Mapping[str, About]) -> Mapping[str, Any]:
    """What `metric_table` of the template draws: rows, and below them how the numbers were made."""
    return {
        "columns": [*columns, *BASELINES.values()],
        "against": f"the {columns[0]} against both" if columns[0] == "last" else "against both",
        "rows": rows,
        "protocols": _joined({name: what.protocol.split("; ") for name, what in about.items()}),
        "cautions": _joined({name: what.cautions for name, what in about.items()}),
    }


def row(name: str, shown: Sequence[tuple[Mapping[str, float], str]], about: About | None) -> Mapping[str, Any]:
    """A metric's headline and its other parts.

    Args:
        shown: results and when they were had, a column each; the first is what is judged.
    """
    better = about.better if about is not None else None
    values = shown[0][0]
    parts = [part for part in values if part and part not in (*BASELINES, *SPREADS)]
    return {
        "name": name,
        "direction": ARROWS.get(better or "", ""),
        "cells": [*((value(each, ""), when) for each, when in shown), *((value(values, b), "") for b in BASELINES)],
        "verdict": verdict(values, better),
        "parts": [
            {
                "name": part.replace("_", " "),
                "cells": [number(each.get(part)) if each else "" for each, _ in shown] + [""] * len(BASELINES),
            }
            for part in parts
        ],
    }


def _joined(statements: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Names, and what they say in one sentence."""
    return [(who, "; ".join(clauses)) for who, clauses in by_sayers(statements)]


def results(table: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What stands of the metrics at the page's top: `cards`, and how many `more` there are in the table."""
    rows = table["rows"] if table is not None else []
    cards = [
        {
            "name": row["name"],
            "direction": row["direction"],
            "last": row["cells"][0],
            "best": row["cells"][1] if row["cells"][1][1] != row["cells"][0][1] else ("", ""),
            "is_best": row["cells"][1][1] == row["cells"][0][1],
            "verdict": row["verdict"],
        }
        for row in rows[:CARDS]
    ]
    return {"cards": cards, "more": len(rows) - len(cards)}


def value(values: Mapping[str, float], part: str) -> str:
    """ "12.3 ± 0.4"; empty where it was not measured."""
    if part not in values:
        return ""
    error = values.get(f"{part}_std" if part else "std", math.nan)
    return number(values[part]) + (f" ± {number(error)}" if math.isfinite(error) else "")


def verdict(values: Mapping[str, float], better: str | None) -> tuple[str, str] | None:
    """Tone and words: whether the translation beats what stands beside it; none where nothing can be said.

    A difference smaller than the standard errors of both together is no difference. Where the untranslated pictures
    are not measured, the number is of the change that was made, not of its worth.
    """
    if "untranslated" not in values:
        return None
    said: dict[str, list[str]] = {"worse": [], "near": [], "better": []}
    for part, words in RIVALS.items():
        kind = against(values, part, better)
        if kind is not None:
            said[kind].append(words)
    told = [
        f"{verb} {joined.join(said[kind])}"
        for kind, verb, joined in (
            ("worse", "does not beat", " or "),
            ("near", "within the error of", " and "),
            ("better", "beats", " and "),
        )
        if said[kind]
    ]
    return (next(kind for kind in said if said[kind]), "; ".join(told)) if told else None
