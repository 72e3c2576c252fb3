"""checkpoints/best.json: what the best checkpoint was measured at, so that a lost log does not give its place away."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from toonforge.events import Best
from toonforge.files import write_atomic
from toonforge.train.best import Made, Seen

NAME = "best.json"


def remember(folder: Path, best: Best, made: Made | None) -> None:
    """Write it, if it does not say so yet.

    Args:
        folder: of the checkpoints.
        best: which is the best.
        made: how its value was made.
    """
    how = attrs.asdict(made) if made is not None else None
    text = json.dumps({"step": best.step, "metric": best.metric, "value": best.value, "made": how}, indent=1) + "\n"
    path = folder / NAME
    if not path.is_file() or path.read_bytes() != text.encode():
        write_atomic(path, text)


def forget(folder: Path) -> None:
    """Remove it."""
    (folder / NAME).unlink(missing_ok=True)


def recalled(
    folder: Path, metric: str, named: int | None, step: int, logged: Sequence[Mapping[str, Any]]
) -> dict[int, Seen]:
    """The measurement of the best checkpoint, where the log has lost it; nothing where it knows it, or nobody does.

    Args:
        folder: of the checkpoints.
        metric: that is ranked.
        named: the step of the checkpoint that `best` names.
        step: steps done; what was measured later does not count, and what the log lacks of this one is measured again.
        logged: the log's events.
    """
    try:
        found = json.loads((folder / NAME).read_text("utf-8"))
        at, value, how = found["step"], found["value"], found["made"]
        made = Made(how["better"], how["protocol"], dict(how["pictures"])) if how is not None else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    known = any(event["event"] == "metrics" and event["step"] == at for event in logged)
    if known or found.get("metric") != metric or named is None or at != named or at >= step:
        return {}
    return {at: Seen({metric: float(value)}, made)} if isinstance(value, int | float) and math.isfinite(value) else {}
