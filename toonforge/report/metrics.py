"""The metrics of a run as a table: the last value and the best beside what no translation and a plain filter reach."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toonforge.report.curves import BASELINES, SPREADS
from toonforge.report.gallery import spread
from toonforge.report.html import count, moment, number
from toonforge.report.pictures import Pictures
from toonforge.runs.reading import file_inside, read_text, shallow
from toonforge.runs.record import Measurement, Record
from toonforge.runs.verdict import BASELINES as RIVALS
from toonforge.runs.verdict import against

DRAWN = 10
"""Pictures that a page shows of one metric at the most, evenly spaced over the training."""
ARROWS = {"lower": "↓ lower is better", "higher": "↑ higher is better"}


def metrics_table(record: Record) -> list[Mapping[str, Any]]:
    """A row a metric, in the order measured."""
    names = list(dict.fromkeys(name for measured in record.measurements for name in measured.values))
    return [_row(record, name) for name in names]


def _row(record: Record, name: str) -> Mapping[str, Any]:
    measured = [m for m in record.measurements if name in m.values]
    last, about = measured[-1], measured[-1].about.get(name)
    better = about.better if about is not None else None
    best = best_of(measured, name, better)
    values = last.values[name]
    parts = [part for part in values if part and part not in (*BASELINES, *SPREADS)]
    return {
        "name": name,
        "direction": ARROWS.get(better or "", ""),
        "last": _value(values, ""),
        "step": f"step {count(last.step)}",
        "best": _value(best.values[name], "") if best is not None and len(measured) > 1 else "",
        "best_step": f"step {count(best.step)}" if best is not None else "",
        "baselines": [_value(values, part) for part in BASELINES],
        "verdict": verdict(values, better),
        "parts": [
            {"name": part, "last": number(values[part]), "best": number(best.values[name].get(part)) if best else ""}
            for part in parts
        ],
        "protocol": about.protocol if about is not None else "",
        "cautions": about.cautions if about is not None else (),
    }


def best_of(measured: Sequence[Measurement], name: str, better: str | None) -> Measurement | None:
    """The measurement of the best headline; None where neither direction is better."""
    finite = [m for m in measured if math.isfinite(m.values[name].get("", math.nan))]
    if not finite or better is None:
        return None
    return (min if better == "lower" else max)(finite, key=lambda m: m.values[name][""])


def _value(values: Mapping[str, float], part: str) -> str:
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


def drawn(record: Record, pictures: Pictures) -> list[Mapping[str, Any]]:
    """The pictures that metrics drew, for report.js: metric -> a picture a step."""
    names = list(dict.fromkeys(name for measured in record.measurements for name in measured.pictures))
    found: list[Mapping[str, Any]] = []
    for name in names:
        paths = {m.step: m.pictures[name] for m in record.measurements if name in m.pictures}
        shown = []
        for step in spread(sorted(paths), DRAWN, record.best.step if record.best is not None else None):
            path = file_inside(record.folder, paths[step])
            picture = pictures.add(path) if path is not None else None
            if picture is not None:
                shown.append({"step": step, "label": f"step {count(step)}", "best": False, "picture": picture})
        if shown:
            found.append({"name": name, "steps": shown})
    return found


def evaluations(folder: Path) -> list[Mapping[str, Any]]:
    """What `toonforge evaluate` measured of the run later: evaluations.jsonl, one measurement a line."""
    try:
        lines = read_text(folder, "evaluations.jsonl", errors="replace").split("\n")
    except OSError:
        return []
    return [row for line in lines for row in _evaluated(line)]


def _evaluated(line: str) -> list[Mapping[str, Any]]:
    try:
        event = shallow(json.loads(line))
        when, part = event.get("time"), _measured(event)
        metrics = {str(key): math.nan if value is None else float(value) for key, value in event["metrics"].items()}
        about = event.get("about") or {}
        values: dict[str, dict[str, float]] = {}
        for key, value in metrics.items():
            metric, _, rest = key.partition(".")
            values.setdefault(metric, {})[rest] = value
        return [
            {
                "name": name,
                "when": moment(float(when)) if isinstance(when, int | float) else "",
                "part": part,
                "last": _value(each, ""),
                "baselines": [_value(each, baseline) for baseline in BASELINES],
                "protocol": str(about.get(name, {}).get("protocol", "")),
                "cautions": [str(caution) for caution in about.get(name, {}).get("cautions", ())],
            }
            for name, each in values.items()
        ]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return []


def _measured(event: Mapping[str, Any]) -> str:
    """What an evaluation was of: the part or the folder of pictures, the checkpoint's step, and beside what."""
    part, step, beside = (event.get(key) for key in ("part", "step", "reference"))
    words = [
        f"{part} part" if part else str(event.get("input") or ""),
        f"step {count(step)}" if isinstance(step, int) else "",
        f"beside {beside}" if beside else "",
    ]
    return ", ".join(filter(None, words))
