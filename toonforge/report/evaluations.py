"""What `toonforge evaluate` measured of a run later: a table an evaluation, like that of the training."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toonforge.events import About
from toonforge.report.figures import DRAWN, EVALUATED
from toonforge.report.html import count, moment
from toonforge.report.metrics import row, table
from toonforge.report.pictures import Pictures
from toonforge.runs.reading import file_inside, read_text, shallow

NAME = "evaluations.jsonl"
SHOWN = 20
"""Evaluations that a page shows: the newest."""


def evaluations(folder: Path, pictures: Pictures, figures: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The evaluations in a run's folder, the newest first.

    Args:
        pictures: the page's store; it gets the pictures that the newest ones drew.
        figures: those of the page, as report.js shows them; gets one a picture that an evaluation drew.

    Returns:
        `shown`, each with `title`, `when`, `table`, `notes` and the places of its `figures`; how many there are `more`;
        and how many lines are `unread`.
    """
    try:
        lines = read_text(folder, NAME, errors="replace").split("\n")
    except (OSError, ValueError):
        return {"shown": [], "more": 0, "unread": 0}
    read = [_read(line) for line in reversed(lines) if line.strip()]
    found = [each for each in read if each is not None]
    end = pictures.size + EVALUATED
    for place, each in enumerate(found[:SHOWN]):
        drawn = each.pop("pictures") if place < DRAWN else {}
        each["figures"] = _figures(folder, drawn, pictures, figures, end - pictures.size)
    return {"shown": found[:SHOWN], "more": len(found[SHOWN:]), "unread": read.count(None)}


def _read(line: str) -> dict[str, Any] | None:
    """One evaluation; None for a line that is none."""
    try:
        event = shallow(json.loads(line))
        values: dict[str, dict[str, float]] = {}
        for key, number in event["metrics"].items():
            metric, _, part = str(key).partition(".")
            values.setdefault(metric, {})[part] = math.nan if number is None else float(number)
        about = {str(name): _about(what) for name, what in (event.get("about") or {}).items()}
        rows = [row(name, [(results, "")], about.get(name)) for name, results in values.items()]
        when = event.get("time")
        return {
            "title": _measured(event),
            "when": moment(float(when)) if isinstance(when, int | float) else "",
            "table": table(["value"], rows, {name: about[name] for name in values if name in about}),
            "notes": [str(note) for note in event.get("notes") or ()],
            "pictures": {str(name): str(path) for name, path in (event.get("pictures") or {}).items()},
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def _about(about: Mapping[str, Any]) -> About:
    better = about.get("better")
    return About(
        better=better if better in ("lower", "higher") else None,
        protocol=str(about.get("protocol") or ""),
        pictures={},
        cautions=tuple(map(str, about.get("cautions") or ())),
    )


def _measured(event: Mapping[str, Any]) -> str:
    """ "test part, best checkpoint (step 500), to anime, beside cartoons"."""
    part, step, checkpoint = (event.get(key) for key in ("part", "step", "checkpoint"))
    of = f"{part} part" if part else str(event.get("input") or event.get("generated") or "")
    at = f"step {count(step)}" if isinstance(step, int) and not isinstance(step, bool) else ""
    words = [
        of,
        f"{checkpoint} checkpoint" + (f" ({at})" if at else "") if checkpoint else at,
        f"to {event['to']}" if event.get("to") else "",
        f"beside {event['reference']}" if event.get("reference") else "",
    ]
    return ", ".join(filter(None, words))


def _figures(
    folder: Path, drawn: Mapping[str, str], pictures: Pictures, figures: list[Mapping[str, Any]], room: int
) -> list[tuple[int, str]]:
    """Adds what an evaluation drew, within so many characters; returns their places among `figures`, with the metric.

    What newer evaluations and metrics before it take is not there for the others: those are saved anew, smaller, or
    left out.
    """
    found, end = [], pictures.size + room
    for name, relative in drawn.items():
        path = file_inside(folder, relative)
        picture = pictures.add(path, room=end - pictures.size) if path is not None else None
        if picture is not None:
            found.append((len(figures), name))
            figures.append({"name": name, "steps": [{"step": 0, "label": "", "best": False, "picture": picture}]})
    return found
