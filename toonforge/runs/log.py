"""metrics.jsonl: one JSON object a line. Its events and keys are documented in docs/reference/metrics-jsonl.md."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from toonforge.files import append, copy_whole, write_atomic
from toonforge.runs.reading import LARGEST, file_inside

FORMAT = 1
"""Of the log; the `start` event holds it. New events and keys may come, none changes its meaning within a format."""
NAME = "metrics.jsonl"


def write_event(path: Path, event: str, step: int, /, **more: Any) -> None:
    """Append one line; numbers that JSON does not know (nan) become null."""
    write_events(path, [(event, step, more)])


def write_events(path: Path, lines: Sequence[tuple[str, int, Mapping[str, Any]]]) -> None:
    """Append several lines, (event, step, its values) each, in one go: a killed process leaves all of them or none."""
    now = round(time.time(), 3)
    text = "".join(json_line({"event": event, "step": step, "time": now, **more}) for event, step, more in lines)
    append(path, text)


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """The events in a run's log, in order; a line that is none, or that a crash cut short, is left out.

    Nothing where there is no log.
    """
    return (event for event in read_lines(folder) if event is not None)


def read_lines(folder: Path) -> Iterator[dict[str, Any] | None]:
    """The same with None for each line that is no event; not for a last one without its end, which may still grow."""
    path = file_inside(folder, NAME)
    return _lines(path) if path is not None else iter(())


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                event = _event(line)
                if event is not None or (line.strip() and line.endswith("\n")):
                    yield event
    except OSError:
        return


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(event, dict) and isinstance(event.get("event"), str) and _is_step(event.get("step"))
    return event if known else None


def truncate(folder: Path, step: int) -> None:
    """Drop events after `step`, which a resumed run writes again, the last end, and a line cut short."""
    path = folder / NAME
    if path.is_file():
        kept = []
        for event in _lines(path):
            if event is not None and event["step"] <= step and event["event"] != "end":
                try:
                    kept.append(json_line(event))
                except RecursionError:
                    continue
        write_atomic(path, "".join(kept))


def damage(folder: Path) -> str | None:
    """What of a log cannot be read, in words; None where all of it can, but for a last line that a crash cut short."""
    path = folder / NAME
    if not path.exists():
        return f"{NAME} is missing"
    events = list(read_lines(folder))
    lost = events.count(None)
    if lost == len(events):
        return f"{NAME} is damaged: no line of it can be read"
    return f"{NAME} is damaged: {lost} of its lines cannot be read" if lost else None


def begun(folder: Path) -> bool:
    """Whether a line was ever written whole: a run that was killed in its first one has lost nothing."""
    path = folder / NAME
    return path.is_file() and b"\n" in path.read_bytes()


def set_aside(folder: Path) -> Path | None:
    """Copy a log as it is, before what is damaged of it is dropped; returns the copy. None where there is nothing."""
    path = folder / NAME
    if not path.is_file() or not path.stat().st_size:
        return None
    text = path.read_bytes()
    for number in count(1):
        copy = folder / (f"{NAME}.damaged" + (f"-{number}" if number > 1 else ""))
        if copy.is_file() and copy.read_bytes() == text:
            return copy  # by a start that was killed before it had cut the log
        if not os.path.lexists(copy):
            copy_whole(path, copy)
            return copy
    return None


def changes_not_begun(folder: Path) -> set[str]:
    """What the log says of changes since its last start: of a start that was killed before it was written down."""
    found: set[str] = set()
    for event in read_events(folder):
        if event["event"] == "start":
            found.clear()
        elif event["event"] == "changed" and isinstance(event.get("change"), str):
            found.add(event["change"])
    return found


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def json_line(event: Mapping[str, Any]) -> str:
    """One line of JSON; numbers that it does not know (nan) are null, and names that are no text are escaped."""
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
