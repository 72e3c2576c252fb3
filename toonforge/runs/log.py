"""metrics.jsonl: one JSON object a line. Its events and keys are documented in docs/reference/metrics-jsonl.md."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toonforge.files import write_atomic

FORMAT = 1
"""Of the log; the `start` event holds it. New events and keys may come, none changes its meaning within a format."""
NAME = "metrics.jsonl"


def write_event(path: Path, event: str, step: int, /, **more: Any) -> None:
    """Append one line; numbers that JSON does not know (nan) become null."""
    line = {"event": event, "step": step, "time": round(time.time(), 3), **more}
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(line))


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """The events in a run's log, in order; a line that is none, or that a crash cut short, is left out.

    Nothing where there is no log.
    """
    try:
        text = (folder / NAME).read_text("utf-8", errors="replace")
    except OSError:
        return
    for line in text.split("\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str) and _is_step(event.get("step")):
            yield event


def truncate(folder: Path, step: int) -> None:
    """Drop events after `step`, which a resumed run writes again, the last end, and a line cut short."""
    path = folder / NAME
    if path.is_file():
        kept = [event for event in read_events(folder) if event["step"] <= step and event["event"] != "end"]
        write_atomic(path, "".join(map(_line, kept)))


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _line(event: Mapping[str, Any]) -> str:
    """One line of JSON; names of files that are no text (lone surrogates) are escaped."""
    text = json.dumps(_jsonable(event), allow_nan=False, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(_jsonable(event), allow_nan=False)
    return text + "\n"


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
