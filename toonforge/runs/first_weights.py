"""What lock.json says of the weights that networks started from: which file it was, its step and its checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toonforge.files import write_atomic
from toonforge.runs.disk import writing
from toonforge.runs.reading import read_text

KEY = "weights"


def recorded(folder: Path) -> dict[str, Any]:
    """Network -> from, file, network, step, averaged and sha256 of its first weights; nothing where none is known."""
    found = _lock(folder).get(KEY)
    return dict(found) if isinstance(found, dict) else {}


def record(folder: Path, weights: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Write down the weights that a run starts from.

    Returns:
        What is no longer as an earlier start found it, which was ended before its first checkpoint; in words.
    """
    before = recorded(folder)
    changes = [
        f"{name} starts from {_said(now)}; an earlier start, of which nothing is left, found {_said(before[name])}"
        for name, now in weights.items()
        if isinstance(before.get(name), dict) and before[name].get("sha256") != now["sha256"]
    ]
    if before != weights:
        with writing(folder):
            write_atomic(folder / "lock.json", json.dumps({**_lock(folder), KEY: dict(weights)}, indent=1) + "\n")
    return changes


def _said(about: Mapping[str, Any]) -> str:
    step = about.get("step")
    return f"{about.get('from')}" + (f", step {step}" if step is not None else "") + f", {str(about['sha256'])[:12]}…"


def _lock(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(folder, "lock.json"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
